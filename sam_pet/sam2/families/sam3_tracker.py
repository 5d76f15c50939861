"""SAM 3's tracker: `transformers`' `Sam3TrackerVideoModel`, alone or out of a whole SAM 3 checkpoint."""

from __future__ import annotations

from typing import Any, ClassVar

from sam_pet.sam2.families.library import Sam3TrackerVideoConfig, Sam3TrackerVideoModel
from sam_pet.sam2.families.sam2 import Sam2, check_multiple

# In a whole checkpoint the detector owns the trunk; the tracker has a neck of its own on it.
_OWN_NAMES = {
    "detector_model.vision_encoder.backbone.": "vision_encoder.backbone.",
    "tracker_neck.": "vision_encoder.neck.",
    "tracker_model.": "",
}
_DETECTOR = "detector_model."
# The trunk's windows shrink to the image, but the prompt encoder's grid must hold a few patches.
_SMALLEST_GRID = 8


class Sam3Tracker(Sam2):
    """See `SamFamily`."""

    title: ClassVar[str] = "SAM 3 tracker"
    model_type: ClassVar[str] = "sam3_tracker_video"

    @classmethod
    def read_config(cls, content: dict[str, Any]) -> Any:
        return Sam3TrackerVideoConfig.from_dict(content.get("tracker_config") or content)

    @classmethod
    def set_image_size(cls, config: Any, image_size: int) -> None:
        patch = int(config.vision_config.backbone_config.patch_size)
        check_multiple(image_size, patch, _SMALLEST_GRID * patch)
        config.image_size = image_size

    @classmethod
    def build(cls, config: Any) -> Any:
        return Sam3TrackerVideoModel(config)

    @classmethod
    def own_name(cls, key: str) -> str | None:
        for published, own in _OWN_NAMES.items():
            if key.startswith(published):
                return own + key.removeprefix(published)
        return None if key.startswith(_DETECTOR) else key
