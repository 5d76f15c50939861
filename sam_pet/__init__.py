"""Interactive whole-body PET/CT lesion segmentation with SAM 2."""

__version__ = "0.1.0"
