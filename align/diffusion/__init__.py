"""Diffusion: noise schedules, the denoising loss, sampling. Knows nothing of robots, data or files."""
