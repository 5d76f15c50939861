from __future__ import annotations

import json
import logging

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sam_pet
from sam_pet.errors import InputError
from sam_pet.geometry import Grid
from sam_pet.prompt_files import parse_prompts, points, read_prompts, record
from sam_pet.prompts import Box, Click, Scribble, box, click, scribble
from tests.test_geometry import grids

GRID = Grid((12, 10, 6), (4.0, 4.0, 5.0), (-20.0, -18.0, 100.0))
voxels = st.tuples(st.integers(0, 11), st.integers(0, 9), st.integers(0, 5))
labels = st.sampled_from(["tumor", "background"])
prompts = st.lists(
    st.one_of(
        st.builds(click, voxels, labels),
        st.builds(scribble, st.lists(voxels, min_size=1, max_size=8), labels),
        st.builds(box, voxels, voxels),
    ),
    max_size=6,
)


def multiple_points(*entries):
    return {
        "version": {"major": 1, "minor": 0},
        "type": "Multiple points",
        "points": [{"point": point, "name": name} for point, name in entries],
    }


def markups(kind="Fiducial", system="LPS", **named):
    """A 3-D Slicer file; `named` are world positions by the labels of their points."""
    return {
        "markups": [
            {
                "type": kind,
                "coordinateSystem": system,
                "controlPoints": [{"label": label, "position": list(p)} for label, p in named.items()],
            }
        ]
    }


class TestMultiplePoints:
    def test_strokes_are_recovered_tumor_first(self):
        content = multiple_points(
            ([8, 8, 1], "background"), ([1, 1, 3], "tumor"), ([2, 2, 3], "tumor"), ([5, 5, 5], "tumor")
        )
        assert parse_prompts(content, GRID) == [
            Scribble(((1, 1, 3), (2, 2, 3))),
            Click((5, 5, 5)),
            Click((8, 8, 1), "background"),
        ]

    def test_no_points_are_no_prompts(self):
        assert parse_prompts(multiple_points(), GRID) == []

    def test_duplicates_count_once(self):
        assert parse_prompts(multiple_points(*[([1, 1, 3], "tumor")] * 3), GRID) == [Click((1, 1, 3))]

    def test_floats_near_integers_are_voxels(self):
        assert parse_prompts(multiple_points(([1.0, 0.999, 3.004], "tumor")), GRID) == [Click((1, 1, 3))]

    @pytest.mark.parametrize(
        ("entry", "message"),
        [
            ({"point": [1, 1, 3], "name": "lesion"}, r"point 1: unknown label 'lesion'; use 'tumor' or 'background'"),
            ({"point": [1, 1, 3]}, r"point 1: unknown label None; use"),
            (
                {"point": [12, 1, 3], "name": "tumor"},
                r"point 1: click: voxel \(12, 1, 3\) lies outside the PET grid of",
            ),
            ({"point": [1.5, 1, 3], "name": "tumor"}, r"point 1: \(1\.5, 1, 3\) is not a voxel; give whole numbers"),
            ({"point": [1, 3], "name": "tumor"}, r"point 1: voxels must be three numbers each"),
            ({"point": [1, 3, 2, 4, 4, 4], "name": "tumor"}, r"point 1: voxels must be three numbers each"),
            ({"point": [], "name": "tumor"}, r"point 1: voxels must be three numbers each"),
            ({"point": None, "name": "tumor"}, r"point 1: voxels must be three numbers each"),
            ({"point": [1, 1, float("nan")], "name": "tumor"}, r"point 1: \(1, 1, nan\) is not a voxel"),
            ({"name": "tumor"}, r"point 1: must be \{\"point\": \[x, y, z\], \"name\": \"tumor\"\}"),
            ([1, 1, 3], r"point 1: must be \{\"point\""),
        ],
    )
    def test_a_bad_point_is_named_or_left_out(self, entry, message, caplog):
        content = multiple_points(([4, 4, 4], "tumor"))
        content["points"].append(entry)
        with pytest.raises(InputError, match=rf"^prompts: {message}"):
            parse_prompts(content, GRID)
        with caplog.at_level(logging.WARNING):
            assert parse_prompts(content, GRID, lenient=True) == [Click((4, 4, 4))]
        assert "dropped: prompts: point 1: " in caplog.text

    @given(prompts)
    def test_points_hold_every_voxel_drawn(self, drawn):
        content = json.loads(json.dumps(points(drawn)))
        expected = {(v, p.label) for p in drawn if not isinstance(p, Box) for v in map(tuple, p.voxels.tolist())}
        found = parse_prompts(content, GRID)
        assert {(v, p.label) for p in found for v in map(tuple, p.voxels.tolist())} == expected
        names = [entry["name"] for entry in content["points"]]
        assert names == sorted(names, reverse=True)
        # Read and written again, the strokes are the same: they are connected by then.
        assert parse_prompts(points(found), GRID) == found


class TestLists:
    def test_lists_by_label(self):
        content = {"background": [[0, 0, 0]], "tumor": [[1, 1, 3], [2, 1, 3]]}
        assert parse_prompts(content, GRID) == [Scribble(((1, 1, 3), (2, 1, 3))), Click((0, 0, 0), "background")]

    def test_one_list_is_enough(self):
        assert parse_prompts({"tumor": []}, GRID) == []

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ({"tumor": {"x": 1}}, "'tumor' must be a list of voxels"),
            ({"tumor": [[1, 1, 3], [1, 1, 6]]}, r"tumor point 1: click: voxel \(1, 1, 6\) lies outside"),
            ({"tumor": [1, 1, 3]}, "tumor point 0: voxels must be three numbers each"),
        ],
    )
    def test_bad_lists(self, content, message):
        with pytest.raises(InputError, match=rf"^prompts: {message}"):
            parse_prompts(content, GRID)


class TestMarkups:
    @given(grids(), st.data())
    def test_world_positions_are_voxels_of_the_grid_however_it_lies(self, grid, data):
        voxel = tuple(data.draw(st.integers(0, n - 1)) for n in grid.size)
        lps = grid.to_world(voxel) + 0.2 * np.array(grid.spacing).min() * np.array([1, -1, 1])
        assert parse_prompts(markups(a=lps.tolist()), grid) == [Click(voxel)]
        ras = lps * [-1, -1, 1]
        assert parse_prompts(markups(system="RAS", a=ras.tolist()), grid) == [Click(voxel)]

    def test_hand_worked_positions(self):
        # Voxel (3, 2, 1) lies at LPS (-20 + 12, -18 + 8, 100 + 5).
        assert parse_prompts(markups(a=(-8, -10, 105)), GRID) == [Click((3, 2, 1))]
        assert parse_prompts(markups(system="RAS", a=(8, 10, 105)), GRID) == [Click((3, 2, 1))]

    def test_lps_where_none_is_named(self):
        content = markups(a=(-8, -10, 105))
        del content["markups"][0]["coordinateSystem"]
        assert parse_prompts(content, GRID) == [Click((3, 2, 1))]

    @pytest.mark.parametrize(
        ("unit", "mm"), [("cm", 10), ("Centimetres", 10), ("m", 1000), ("[in_i]", 25.4), ("µm", 1e-3)]
    )
    @pytest.mark.parametrize("form", [lambda unit: [unit, "UCUM", unit], lambda unit: unit], ids=["coded", "word"])
    def test_positions_in_other_units(self, unit, mm, form):
        content = markups(a=[v / mm for v in (-8, -10, 105)])
        content["markups"][0]["coordinateUnits"] = form(unit)
        assert parse_prompts(content, GRID) == [Click((3, 2, 1))]

    @pytest.mark.parametrize("unit", ["pixel", "", None, [], ["mm", "UCUM", "centimeter"], {"code": "mm"}])
    def test_units_that_are_none_or_two_are_refused(self, unit):
        content = markups(a=(-8, -10, 105))
        content["markups"][0]["coordinateUnits"] = unit
        with pytest.raises(InputError, match=r"^prompts: unknown unit .*\(coordinateUnits\); export it in mm"):
            parse_prompts(content, GRID)

    def test_what_the_file_says_counts_for_lists_that_do_not(self):
        content = {**markups(a=(8, 10, 105)), "coordinateSystem": "RAS"}
        assert parse_prompts(content, GRID) == [Click((7, 7, 1))]
        del content["markups"][0]["coordinateSystem"]
        assert parse_prompts(content, GRID) == [Click((3, 2, 1))]

    def test_only_points_that_were_placed_count(self):
        content = markups(a=(0, 0, 0), b=(0, 0, 0), c=(0, 0, 0), d=(-8, -10, 105))
        states = ("undefined", "preview", "missing", "Defined")
        for point, status in zip(content["markups"][0]["controlPoints"], states, strict=True):
            point["positionStatus"] = status
        assert parse_prompts(content, GRID) == [Click((3, 2, 1))]
        content["markups"][0]["controlPoints"][3]["positionStatus"] = None
        with pytest.raises(InputError, match="control point 3: unknown positionStatus None"):
            parse_prompts(content, GRID)

    def test_the_name_of_a_list_counts_where_labels_do_not_say(self):
        content = markups(**{"F-1": (-8, -10, 105)})
        content["markups"][0]["name"] = "Background"
        assert parse_prompts(content, GRID) == [Click((3, 2, 1), "background")]

    def test_names_with_background_are_background_and_come_last(self):
        content = markups(**{"Background-1": (-20, -18, 100), "F-1": (-8, -10, 105)})
        assert parse_prompts(content, GRID) == [Click((3, 2, 1)), Click((0, 0, 0), "background")]

    def test_fiducials_stay_apart_though_they_touch(self):
        assert len(parse_prompts(markups(a=(-8, -10, 105), b=(-4, -10, 105)), GRID)) == 2

    def test_a_line_is_the_stroke_between_its_ends(self):
        assert parse_prompts(markups("Line", a=(-20, -18, 105), b=(-8, -14, 105)), GRID) == [
            Scribble(((0, 0, 1), (1, 0, 1), (2, 1, 1), (3, 1, 1)))
        ]

    def test_a_closed_curve_comes_back_to_its_start(self):
        corners = {"a": (-20, -18, 100), "b": (-8, -18, 100), "c": (-8, -6, 100), "d": (-20, -6, 100)}
        (open_,) = parse_prompts(markups("Curve", **corners), GRID)
        (closed,) = parse_prompts(markups("ClosedCurve", **corners), GRID)
        assert (len(open_.drawn), len(closed.drawn)) == (10, 12)
        assert (0, 1, 0) in set(closed.drawn) - set(open_.drawn)

    def test_a_curve_without_points_is_no_prompt(self):
        assert parse_prompts(markups("Curve"), GRID) == []

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (markups("ROI"), "markups of type 'ROI' are not prompts; use Fiducial, Line or Curve"),
            ({"markups": [7]}, "markups of type None are not prompts"),
            (markups(system="XYZ"), "unknown coordinate system 'XYZ' of a markup; export it as LPS or RAS"),
            (markups(a=(1, 2)), "control point 0: has no position of three numbers"),
            (markups(a=(0, 0, 5000)), r"control point 0: click: voxel \(5, 5, 980\) lies outside"),
            (
                {"markups": [{"type": "Fiducial", "controlPoints": [{"label": "a"}]}]},
                "control point 0: has no position",
            ),
        ],
    )
    def test_bad_markups(self, content, message):
        with pytest.raises(InputError, match=rf"^prompts: {message}"):
            parse_prompts(content, GRID)


class TestRecord:
    @given(prompts)
    def test_a_record_reads_back_as_it_was(self, drawn):
        assert parse_prompts(json.loads(json.dumps(record(drawn))), GRID) == drawn

    @pytest.mark.parametrize(
        ("item", "message"),
        [
            (
                {"kind": "lasso", "label": "tumor", "voxels": [[1, 1, 1]]},
                "unknown kind 'lasso'; known are click, scribble",
            ),
            ({"kind": ["box"], "label": "tumor", "voxels": [[1, 1, 1]]}, "unknown kind"),
            ({"kind": "click", "voxels": [[1, 1, 1]]}, "each must have kind, label and voxels"),
            ({"kind": "click", "label": "tumor", "voxels": 7}, "each must have kind, label and voxels"),
            (7, "each must have kind, label and voxels"),
            (
                {"kind": "click", "label": "tumor", "voxels": []},
                "a click has one voxel and a box two, not 0 as this click",
            ),
            (
                {"kind": "click", "label": "tumor", "voxels": [[1, 1, 1], [2, 2, 2]]},
                "a click has one voxel and a box two, not 2 as this click",
            ),
            (
                {"kind": "box", "label": "tumor", "voxels": [[1, 1, 1]]},
                "a click has one voxel and a box two, not 1 as this box",
            ),
            (
                {"kind": "box", "label": "background", "voxels": [[1, 1, 1], [2, 2, 2]]},
                "a box is always tumor, and this one is labelled 'background'",
            ),
            (
                {"kind": "rejection", "label": "tumor", "voxels": [[1, 1, 1]]},
                "a rejection is always background, and this one is labelled 'tumor'",
            ),
        ],
    )
    def test_bad_entries(self, item, message):
        content = record([])
        content["prompts"] = [item]
        with pytest.raises(InputError, match=rf"^prompts: {message}"):
            parse_prompts(content, GRID)

    @pytest.mark.parametrize(
        ("item", "message"),
        [
            ({"kind": "scribble", "label": "tumor", "voxels": []}, "scribble: no voxel is drawn"),
            ({"kind": "click", "label": "tumour", "voxels": [[1, 1, 1]]}, "click: unknown label 'tumour'"),
            (
                {"kind": "box", "label": "tumor", "voxels": [[0, 0, 0], [1, 1, 9]]},
                r"box: voxel \(1, 1, 9\) lies outside",
            ),
        ],
    )
    def test_bad_prompts(self, item, message):
        content = record([])
        content["prompts"] = [item]
        with pytest.raises(InputError, match=rf"^{message}"):
            parse_prompts(content, GRID)


@pytest.mark.parametrize("content", [[], 7, None, {}, {"points": 7}, {"tumour": []}, {"type": "Multiple points"}])
def test_an_unknown_form_names_the_known_ones(content):
    with pytest.raises(InputError, match=r"^prompts: unknown form; known are .*Multiple points.*Slicer"):
        parse_prompts(content, GRID)


@pytest.mark.parametrize(
    "content",
    [
        {"type": "Multiple points", "points": [], "tumor": [[6, 5, 3]]},
        {**markups(), "points": []},
        {"type": "sam_pet prompts", "prompts": [], "background": []},
    ],
)
def test_two_forms_in_one_file_are_refused(content):
    with pytest.raises(InputError, match="in more than one form"):
        parse_prompts(content, GRID)


@pytest.mark.parametrize("voxel", [[True, 5, 3], [6, 5, True], [True, True, True], ["6", "5", "3"], [6, 5, None]])
def test_only_numbers_are_coordinates(voxel):
    for content in ({"tumor": [[6, 5, 3], voxel]}, multiple_points((voxel, "tumor")), {"background": [voxel]}):
        with pytest.raises(InputError, match="voxels must be three numbers each"):
            parse_prompts(content, GRID)


class TestReadPrompts:
    @pytest.mark.parametrize(
        "text",
        [
            '{"tumor": [[6, 5, 3]], "tumor": [[1, 1, 1]]}',
            '{"type": "Multiple points", "points": [{"point": [6, 5, 3], "name": "tumor"}], "points": []}',
            '{"points": [{"point": [6, 5, 3], "name": "tumor", "name": "background"}]}',
        ],
    )
    def test_what_is_said_twice_is_refused(self, tmp_path, text):
        (tmp_path / "p.json").write_text(text)
        with pytest.raises(InputError, match="twice in one place"):
            read_prompts(tmp_path / "p.json", GRID)

    def test_reads_a_file_with_or_without_a_byte_order_mark(self, tmp_path):
        path = tmp_path / "p.json"
        for encoding in ("utf-8", "utf-8-sig"):
            path.write_text(json.dumps({"tumor": [[1, 1, 3]]}), encoding=encoding)
            assert sam_pet.read_prompts(path, GRID) == [Click((1, 1, 3))]

    def test_no_such_file(self, tmp_path):
        with pytest.raises(InputError, match=r"^prompts: no such file: .*p\.json$"):
            read_prompts(tmp_path / "p.json", GRID)

    def test_a_folder(self, tmp_path):
        with pytest.raises(InputError, match=r"^prompts: .* cannot be read \(Is a directory\)$"):
            read_prompts(tmp_path, GRID)

    @pytest.mark.parametrize(
        "content", [b"", b"{", b"\xff\xfe\x00", b"[" * 100_000], ids=["empty", "cut", "binary", "deep"]
    )
    def test_what_is_not_json(self, tmp_path, content):
        (tmp_path / "p.json").write_bytes(content)
        with pytest.raises(InputError, match=r"^prompts: .*p\.json is not JSON \(.*\); write it again$"):
            read_prompts(tmp_path / "p.json", GRID)

    def test_errors_name_the_file(self, tmp_path):
        (tmp_path / "p.json").write_text('{"tumor": [[1, 1, 9]]}')
        with pytest.raises(InputError, match=r"lies outside the PET grid .* \(.*p\.json\)$"):
            read_prompts(tmp_path / "p.json", GRID)


def test_real_points_are_read(data):
    """The strokes of a challenge run: every point of the file in one of them, and no other."""
    import SimpleITK as sitk

    folder = data / "autopet" / "reference_run"
    grid = Grid.of(sitk.ReadImage(next(folder.glob("iter_0*.nii.gz"))))
    content = json.loads((folder / "lesion-clicks.json").read_text())
    found = read_prompts(folder / "lesion-clicks.json", grid)
    drawn = {(tuple(entry["point"]), entry["name"]) for entry in content["points"]}
    assert {(v, p.label) for p in found for v in map(tuple, p.voxels.tolist())} == drawn
    assert len(drawn) > 10
