"""Meta's SAM 2 state dicts (also MedSAM2's and fine-tuned ones) as `transformers` weights, in memory."""

from __future__ import annotations

import pickle
import re
import zipfile
from collections import Counter
from pathlib import Path

import torch

from sam_pet.errors import InputError, one_line
from sam_pet.models.architectures import TRUNKS, architecture
from sam_pet.models.state import State, require_numbers, unwrapped, without_prefix
from sam_pet.sam2.families.library import Sam2VideoConfig

_WRAPPERS = ("model", "state_dict", "model_state_dict")
_FIRST_KEY = "image_encoder.trunk.pos_embed"
_ESCAPES = re.compile(r"\x1b\[[0-9;]*m")
_POINT_EMBEDDING = re.compile(r"sam_prompt_encoder\.point_embeddings\.\d+\.weight")
_GAUSSIAN = "sam_prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"

# Applied in this order to every key; what no rule touches has the same name in both.
_RULES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"^no_mem_embed$", "no_memory_embedding"),
        (r"^no_mem_pos_enc$", "no_memory_positional_encoding"),
        (r"^maskmem_tpos_enc$", "memory_temporal_positional_encoding"),
        (r"^no_obj_ptr$", "no_object_pointer"),
        (r"^no_obj_embed_spatial$", "occlusion_spatial_embedding_parameter"),
        (r"^obj_ptr_tpos_proj\.", "temporal_positional_encoding_projection_layer."),
        (r"^obj_ptr_proj\.", "object_pointer_proj."),
        (r"^image_encoder\.trunk\.", "vision_encoder.backbone."),
        (r"^image_encoder\.neck\.convs\.(\d+)\.conv\.", r"vision_encoder.neck.convs.\1."),
        (r"patch_embed\.proj\.", "patch_embed.projection."),
        (r"^sam_mask_decoder\.", "mask_decoder."),
        (r"output_upscaling\.0\.", "upscale_conv1."),
        (r"output_upscaling\.1\.", "upscale_layer_norm."),
        (r"output_upscaling\.3\.", "upscale_conv2."),
        (r"^sam_prompt_encoder\.mask_downscaling\.0\.", "prompt_encoder.mask_embed.conv1."),
        (r"^sam_prompt_encoder\.mask_downscaling\.1\.", "prompt_encoder.mask_embed.layer_norm1."),
        (r"^sam_prompt_encoder\.mask_downscaling\.3\.", "prompt_encoder.mask_embed.conv2."),
        (r"^sam_prompt_encoder\.mask_downscaling\.4\.", "prompt_encoder.mask_embed.layer_norm2."),
        (r"^sam_prompt_encoder\.mask_downscaling\.6\.", "prompt_encoder.mask_embed.conv3."),
        (r"^sam_prompt_encoder\.", "prompt_encoder."),
        # A mask downsampler of four (convolution, norm, activation) triples and a last convolution.
        (r"mask_downsampler\.encoder\.12\.", "mask_downsampler.final_conv."),
        (r"mask_downsampler\.encoder\.0\.", "mask_downsampler.layers.0.conv."),
        (r"mask_downsampler\.encoder\.1\.", "mask_downsampler.layers.0.layer_norm."),
        (r"mask_downsampler\.encoder\.3\.", "mask_downsampler.layers.1.conv."),
        (r"mask_downsampler\.encoder\.4\.", "mask_downsampler.layers.1.layer_norm."),
        (r"mask_downsampler\.encoder\.6\.", "mask_downsampler.layers.2.conv."),
        (r"mask_downsampler\.encoder\.7\.", "mask_downsampler.layers.2.layer_norm."),
        (r"mask_downsampler\.encoder\.9\.", "mask_downsampler.layers.3.conv."),
        (r"mask_downsampler\.encoder\.10\.", "mask_downsampler.layers.3.layer_norm."),
        (r"^memory_encoder\.pix_feat_proj\.", "memory_encoder.feature_projection."),
        (r"^memory_encoder\.out_proj\.", "memory_encoder.projection."),
        (r"^memory_encoder\.fuser\.", "memory_encoder.memory_fuser."),
        (r"\.gamma$", ".scale"),
        (r"\.dwconv\.", ".depthwise_conv."),
        (r"\.pwconv(\d)\.", r".pointwise_conv\1."),
        (r"\.norm(\d?|_final_attn)\.", r".layer_norm\1."),
        (r"\.out_proj\.", ".o_proj."),
        # Perceptrons: two layers in transformer blocks, three in the heads.
        (r"\.mlp\.layers\.0\.", ".mlp.proj_in."),
        (r"\.mlp\.layers\.1\.", ".mlp.proj_out."),
        (r"((?:mlps\.\d+|_head|object_pointer_proj))\.layers\.0\.", r"\1.proj_in."),
        (r"((?:mlps\.\d+|_head|object_pointer_proj))\.layers\.1\.", r"\1.layers.0."),
        (r"((?:mlps\.\d+|_head|object_pointer_proj))\.layers\.2\.", r"\1.proj_out."),
    )
)


def read_meta(path: Path) -> State:
    """Meta's state dict in a `.pt` file, wrapped as `{"model": ...}` or bare.

    Raises:
        InputError: not a file of tensors that can be loaded safely, or without SAM 2's keys.
    """
    with path.open("rb") as stream:
        start = stream.read(2)
    if start != b"PK" and start[:1] != pickle.PROTO:
        raise InputError(
            f"{path} cannot be loaded as PyTorch weights: it is a file of another kind, or damaged; fetch it again"
        )
    try:
        if start == b"PK":
            # Its checksums are not looked at by torch.
            with zipfile.ZipFile(path) as parts:
                if (damaged := parts.testzip()) is not None:
                    raise ValueError(f"{damaged} does not fit its checksum")
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise _not_weights(path, error) from error
    except Exception as error:  # torch raises what its parts raise
        reason = _ESCAPES.sub("", one_line(error))[:120]
        raise InputError(f"{path} cannot be loaded as PyTorch weights ({reason}); copy or fetch it again") from error
    if isinstance(content, dict):
        content = next((content[key] for key in _WRAPPERS if isinstance(content.get(key), dict)), content)
    if not isinstance(content, dict) or not content or not all(map(torch.is_tensor, content.values())):
        raise InputError(f"{path} holds no state dict; give a checkpoint of SAM 2 with its weights under 'model'")
    state = without_prefix(unwrapped(content, path), _FIRST_KEY)
    require_numbers(state, path)
    return state


def _not_weights(path: Path, error: Exception) -> InputError:
    """What is in a file that is no tensor: whatever loads that may run any code, and so it is not loaded."""
    text = _ESCAPES.sub("", str(error))
    found = re.search(r"GLOBAL ([\w.]+)", text) or re.search(r"(?:class|function|global):? '?([A-Za-z_][\w.]+)", text)
    if found is None and not any(word in text for word in ("Unsupported", "nsupported", "allowed", "reduce")):
        return InputError(f"{path} cannot be loaded as PyTorch weights: it is damaged; copy or fetch it again")
    what = f" ({found[1]})" if found else ""
    return InputError(
        f"{path} holds an object that is no tensor{what} beside its weights, and loading that could run any code; "
        "save the weights alone, where it comes from: torch.save({'model': model.state_dict()}, FILE)"
    )


def convert_meta(
    state: State, image_size: int | None = None, where: str | Path = "the state dict"
) -> tuple[Sam2VideoConfig, State]:
    """Meta's state dict as a configuration and a state dict of `transformers`' `Sam2VideoModel`.

    The architecture is read from the shapes; SAM 2.0 and 2.1 differ in the keys they have. The image size is not
    in the weights: 1024 unless given.

    Raises:
        InputError: a key is missing, or the image encoder is none of tiny, small, base-plus, large.
    """
    try:
        trunk = _trunk(state, where)
    except (ValueError, TypeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{where} is no SAM 2 checkpoint: its image encoder has weights of other shapes; give one"
        ) from error
    config = architecture(trunk, image_size)
    config.enable_occlusion_spatial_embedding = "no_obj_embed_spatial" in state
    config.enable_temporal_pos_encoding_for_object_pointers = "obj_ptr_tpos_proj.weight" in state
    points = sorted(key for key in state if _POINT_EMBEDDING.fullmatch(key))
    for key in (_GAUSSIAN, "sam_prompt_encoder.point_embeddings.0.weight"):
        _require(state, key, where)
    # In Meta's model one Gaussian basis serves the image's and the points' positions.
    converted = {
        "shared_image_embedding.positional_embedding": state[_GAUSSIAN],
        "prompt_encoder.shared_embedding.positional_embedding": state[_GAUSSIAN].clone(),
        "prompt_encoder.point_embed.weight": _joined([state[key] for key in points], where),
    }
    for key, value in state.items():
        if key != _GAUSSIAN and key not in points:
            converted[renamed(key)] = value
    return config, converted


def _joined(points: list[torch.Tensor], where: str | Path) -> torch.Tensor:
    try:
        return torch.cat(points)
    except RuntimeError as error:
        raise InputError(f"{where} is no SAM 2 checkpoint: its point embeddings have other shapes; give one") from error


def renamed(key: str) -> str:
    """The name in `transformers` of one of Meta's parameters."""
    for pattern, replacement in _RULES:
        key = pattern.sub(replacement, key)
    return key


def _trunk(state: State, where: str | Path) -> str:
    """Which architecture has an image encoder of these shapes."""
    _require(state, _FIRST_KEY, where)
    _, width, background, _ = state[_FIRST_KEY].shape
    # A block's second norm is as wide as its stage.
    norms = re.compile(r"image_encoder\.trunk\.blocks\.\d+\.norm2\.weight")
    stages = Counter(len(value) for key, value in state.items() if norms.fullmatch(key))
    blocks = tuple(stages[stage] for stage in sorted(stages))
    for name, trunk in TRUNKS.items():
        if name != "nano" and (trunk.width, trunk.blocks, trunk.background) == (width, blocks, background):
            return name
    found = f"{width} wide with {'-'.join(map(str, blocks)) or 'no'} blocks"
    raise InputError(
        f"{where}: its image encoder is {found}, none of SAM 2's "
        f"({', '.join(n for n in TRUNKS if n != 'nano')}); give one of these"
    )


def _require(state: State, key: str, where: str | Path) -> None:
    if key not in state:
        raise InputError(f"{where} is no SAM 2 checkpoint: {key} is missing; give one")
