"""Images at the size of training: where they are kept, and of several stores as one."""

from align.data.images.reading import VIDEO, Fit, Keep, fit_images, read_images
from align.data.images.segments import Segments

__all__ = ["VIDEO", "Fit", "Keep", "Segments", "fit_images", "read_images"]
