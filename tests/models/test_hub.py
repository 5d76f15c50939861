"""Fetching: once, whole, checked; against a stand-in hub on loopback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sam_pet.errors import InputError
from sam_pet.files import file_sha256
from sam_pet.models import ModelManifest, load_model, registry, save_model, untrained
from sam_pet.models.hashes import download_folder
from sam_pet.models.hub import cache, fetch, location
from sam_pet.models.verify import verify, verify_all
from tests.models.conftest import Hub
from tests.models.test_adapters import adapted
from tests.models.test_families import published_sam3


def publish(hub: Hub, repository: str, **record: object) -> Path:
    folder = hub.root / repository
    save_model(untrained("nano", seed=4), ModelManifest(name="published", **record), folder)
    return folder


def test_a_hub_id_is_fetched_once_and_then_loads_offline(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    source = publish(hub, "lab/petct", trained=True)
    loaded = load_model("lab/petct")
    assert loaded.record.name == "published"
    assert loaded.sha256 == file_sha256(source / "model.safetensors")
    hub.asked.clear()
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert load_model("lab/petct").sha256 == loaded.sha256
    assert hub.asked == []


def test_an_adapter_on_the_hub_loads_on_its_base(hub: Hub, tmp_path: Path) -> None:
    from sam_pet.models import save_adapter

    base = load_model("nano-untrained")
    save_adapter(adapted(base, trained=True), base, ModelManifest(name="mine"), hub.root / "lab" / "lora")
    assert load_model("lab/lora").record.name == "mine"
    assert not (tmp_path / "home" / "models" / "lab--lora" / "model.safetensors").exists()


def test_a_plain_model_of_the_registry_is_fetched_and_its_hash_recorded(hub: Hub) -> None:
    folder = hub.root / "facebook" / "sam2.1-hiera-tiny"
    untrained("nano", seed=4).save_pretrained(folder)
    entry = registry.entries()["sam2.1-hiera-tiny"]
    assert not entry.here
    with pytest.raises(InputError, match=r"fetch it with: sam-pet models fetch sam2\.1-hiera-tiny"):
        verify("sam2.1-hiera-tiny")
    loaded = load_model("sam2.1-hiera-tiny")
    assert (loaded.record.name, loaded.record.licence) == ("sam2.1-hiera-tiny", "Apache-2.0")
    assert entry.here
    assert entry.sha256 == file_sha256(folder / "model.safetensors")
    assert verify_all()["sam2.1-hiera-tiny"]["model.safetensors"] == entry.sha256


def test_a_byte_flipped_after_the_fetch_is_found(hub: Hub) -> None:
    untrained("nano", seed=4).save_pretrained(hub.root / "facebook" / "sam2.1-hiera-tiny")
    load_model("sam2.1-hiera-tiny")
    path = registry.entries()["sam2.1-hiera-tiny"].location / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    for check in (verify, load_model):
        with pytest.raises(InputError, match=r"model\.safetensors is damaged or was changed"):
            check("sam2.1-hiera-tiny")


def test_a_file_that_is_not_what_the_hub_says_is_not_kept(hub: Hub) -> None:
    publish(hub, "lab/petct")
    hub.lies_about["model.safetensors"] = "a" * 64
    with pytest.raises(InputError, match="should be aaaaaaaaaaaa"):
        load_model("lab/petct")
    assert location("lab/petct", ["model.safetensors"]) is None
    del hub.lies_about["model.safetensors"]
    assert load_model("lab/petct").record.name == "published"


def test_files_put_there_by_hand_are_used_and_recorded(hub: Hub) -> None:
    folder = download_folder("facebook/sam2.1-hiera-tiny")
    untrained("nano", seed=4).save_pretrained(folder)
    load_model("sam2.1-hiera-tiny")
    assert hub.asked == []
    recorded = json.loads((folder / "fetched.json").read_text())["files"]
    assert recorded["model.safetensors"] == file_sha256(folder / "model.safetensors")


def test_an_interrupted_fetch_leaves_nothing_that_counts_as_here(hub: Hub) -> None:
    publish(hub, "lab/petct")
    (hub.root / "lab" / "petct" / "model.safetensors").unlink()
    with pytest.raises(InputError, match=r"model\.safetensors of lab/petct cannot be fetched"):
        load_model("lab/petct")
    save_model(untrained("nano", seed=4), ModelManifest(name="published"), hub.root / "lab" / "petct")
    assert load_model("lab/petct").record.name == "published"


def test_offline_the_error_says_how_to_fetch_by_hand(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(InputError) as error:
        load_model("medsam2")
    message = str(error.value)
    assert "http://127.0.0.1:9/wanglab/MedSAM2/resolve/main/MedSAM2_latest.pt" in message
    assert f"put it into {download_folder('wanglab/MedSAM2')}" in message
    assert "\n" not in message
    assert hub.asked == []


def test_an_unknown_hub_id_is_said_to_be_neither_folder_nor_id(hub: Hub) -> None:
    with pytest.raises(InputError, match=r"no folder lab/nothing here, and as a hub id: config\.json of lab/nothing"):
        load_model("lab/nothing")
    assert hub.asked


@pytest.mark.parametrize("source", ["nowhere", "/no/such/folder", "../no/such"])
def test_an_unknown_name_lists_the_known_ones(source: str) -> None:
    with pytest.raises(InputError, match=r"known are .*nano-untrained, sam2\.1-hiera-tiny, .*medsam2"):
        load_model(source)


def test_a_missing_pt_file_is_said_to_be_missing() -> None:
    with pytest.raises(InputError, match=r"no such file: weights\.pt"):
        load_model("weights.pt")


def test_default_is_the_untrained_model_until_weights_are_embedded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "checkpoints_folder", lambda: tmp_path)
    untrained_default = load_model("default")
    assert not untrained_default.record.trained
    assert untrained_default.record.name == "nano-untrained"
    assert verify("default") == {}
    save_model(untrained("nano", seed=4), ModelManifest(name="nano", trained=True), tmp_path / "default")
    trained = load_model("default")
    assert trained.record.trained
    assert set(verify("default")) == {"config.json", "model.safetensors"}
    assert registry.entries()["default"].sha256 == trained.sha256


def test_embedded_weights_are_those_recorded() -> None:
    for name, entry in registry.entries().items():
        if entry.folder is not None:
            assert verify(name)["model.safetensors"] == entry.sha256


def test_fetching_again_asks_for_nothing(hub: Hub) -> None:
    publish(hub, "lab/petct")
    first = fetch("lab/petct", ("config.json",))
    hub.asked.clear()
    assert fetch("lab/petct", ("config.json",)) == first
    assert hub.asked == []


def test_what_another_program_left_in_the_hubs_cache_is_used(hub: Hub) -> None:
    from huggingface_hub import hf_hub_download

    publish(hub, "lab/petct")
    for file in ("config.json", "model.safetensors", "sam_pet.json"):
        hf_hub_download("lab/petct", file, cache_dir=cache(), endpoint=hub.url)
    hub.asked.clear()
    assert load_model("lab/petct").record.name == "published"
    assert hub.asked == []


def test_the_parts_of_a_checkpoint_are_fetched_with_it(hub: Hub) -> None:
    default = load_model("default")
    folder = hub.root / "lab" / "parts"
    save_model(default.model, default.record, folder, default.parts)
    loaded = load_model("lab/parts")
    assert set(loaded.parts) == set(default.parts)
    assert loaded.contour is not None


def test_a_later_fetch_keeps_to_the_recorded_commit(hub: Hub) -> None:
    publish(hub, "lab/petct")
    fetch("lab/petct", ("config.json",))
    hub.commit = "1" * 40
    hub.asked.clear()
    folder = fetch("lab/petct", ("config.json", "model.safetensors"))
    files = [asked for asked in hub.asked if "/resolve/" in asked]
    assert files
    assert all(f"/resolve/{'0' * 40}/" in asked for asked in files)
    manifest = json.loads((download_folder("lab/petct") / "fetched.json").read_text())
    assert manifest["revision"] == "0" * 40
    assert manifest["files"]["model.safetensors"] == file_sha256(folder / "model.safetensors")


def test_a_revision_can_be_asked_for_beside_another(hub: Hub) -> None:
    publish(hub, "lab/petct")
    load_model("lab/petct")
    hub.commit = "1" * 40
    assert load_model("lab/petct@v2").record.name == "published"
    assert "HEAD /lab/petct/resolve/v2/config.json" in hub.asked
    assert (download_folder("lab/petct@v2") / "fetched.json").is_file()


def test_with_the_network_forbidden_what_is_there_loads_and_the_rest_says_so(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(hub, "lab/petct")
    load_model("lab/petct")
    hub.asked.clear()
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert load_model("lab/petct").record.name == "published"
    with pytest.raises(InputError, match=r"HF_HUB_OFFLINE is set\); by hand: download http"):
        load_model("edgetam")
    assert hub.asked == []


def test_a_download_that_breaks_off_goes_on_where_it_broke(hub: Hub) -> None:
    source = hub.root / "lab" / "large"
    source.mkdir(parents=True)
    # The hub's client counts what has come in pieces of 10 MB.
    (source / "weights.pt").write_bytes(bytes(range(256)) * 100_000)
    hub.breaks["weights.pt"] = 1
    folder = fetch("lab/large", ("weights.pt",))
    assert hub.ranges == ["bytes=10485760-"]
    assert file_sha256(folder / "weights.pt") == file_sha256(source / "weights.pt")


def test_gated_weights_say_where_to_accept_the_terms_and_load_with_a_token(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    published_sam3(hub.root / "facebook" / "sam3", parents=True)
    hub.gates["facebook/sam3"] = "hf_right"
    for token in (None, "hf_wrong"):
        if token is not None:
            monkeypatch.setenv("HF_TOKEN", token)
        with pytest.raises(InputError) as error:
            load_model("sam3")
        message = str(error.value)
        assert f"accept its terms on {hub.url}/facebook/sam3, then set HF_TOKEN" in message
        assert "\n" not in message
    monkeypatch.setenv("HF_TOKEN", "hf_right")
    loaded = load_model("sam3")
    assert (loaded.record.name, loaded.record.licence) == ("sam3", "SAM License")
    assert loaded.model.config.model_type == "sam3_tracker_video"


def test_the_licence_is_told_once(hub: Hub, caplog: pytest.LogCaptureFixture) -> None:
    untrained("nano", seed=4).save_pretrained(hub.root / "facebook" / "sam2.1-hiera-tiny")
    for _ in range(2):
        load_model("sam2.1-hiera-tiny")
    assert sum("licence Apache-2.0" in record.message for record in caplog.records) == 1


@pytest.mark.filterwarnings("ignore:Not enough free disk space")
def test_a_full_disk_says_how_to_go_on_and_leaves_no_half_file(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(hub, "lab/petct")
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", small], check=False).returncode:
        pytest.skip("a small file system cannot be mounted here")
    try:
        monkeypatch.setenv("HF_HUB_CACHE", str(small))
        with pytest.raises(InputError, match=r"no space left\): .* MB free; make room, or set HF_HOME"):
            load_model("lab/petct")
        assert not list(small.rglob("*.incomplete"))
    finally:
        subprocess.run(["umount", small], check=True)


def test_the_built_package_finds_the_embedded_weights(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    build = [sys.executable, "setup.py", "-q", "build_py", "--build-lib", str(tmp_path / "lib")]
    subprocess.run(build, cwd=root, check=True, capture_output=True)
    ask = "from sam_pet.models.registry import checkpoints_folder; print(checkpoints_folder())"
    found = subprocess.run(
        [sys.executable, "-c", ask],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "lib")},
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    assert Path(found) == tmp_path / "lib" / "sam_pet" / "checkpoints"
    assert (Path(found) / "README.md").is_file()
