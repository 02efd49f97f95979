"""The smallest configuration of `align fit` that trains."""

SMALL = {"width": 16, "blocks": 1}
MODEL = {
    "policy": {
        "encoder": {"class_path": "align.networks.ConvEncoder", "init_args": {"features": 8, **SMALL}},
        "denoiser": {"class_path": "align.networks.ConditionalMLP", "init_args": {**SMALL}},
        "relative_actions": True,
    },
    "lr_warmup": 2,
}
DATA = {"alpha": 0.5, "batch_size": 8, "val_windows": 8}
TRAINER = {"accelerator": "cpu", "val_check_interval": 3}
