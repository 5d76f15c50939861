from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from sam_pet.benchmark.statistics import Bootstrap, by_group, combined_ranks, compare, holm, rank, ranks, worst_group
from sam_pet.benchmark.tables import case_table, step_table


def table(**values):
    """AUC-Dice by method and patient; AUC-DMM is the same."""
    rows = [
        {"method": method, "patient": f"p{i}", "case": f"c{i}", "auc_dice": value, "auc_dmm": value}
        for method, found in values.items()
        for i, value in enumerate(found)
    ]
    return pd.DataFrame(rows)


def result(case, method, *dice, lesions=1, **more):
    rows = [{"step": i, "dice": d, "dmm": d / 2, "seconds": 1.0, "peak_mb": 100.0 + i} for i, d in enumerate(dice)]
    facts = {"patient": case, "tracer": None, "centre": None, "lesions": lesions, "lesion_ml": 10.0, "suv_max": 4.0}
    return {"case": case, "method": method, "facts": facts | more, "rows": rows}


class TestTables:
    def test_a_case_is_summed_up_over_its_steps(self):
        row = case_table(step_table([result("A", "m", 0.2, 0.8, 0.6)], 2)).iloc[0]
        assert row["auc_dice"] == pytest.approx(0.2 / 2 + 0.8 + 0.6 / 2)
        assert row["auc_dmm"] == pytest.approx(row["auc_dice"] / 2)
        assert (row["dice_first"], row["dice"], row["overshoot"]) == pytest.approx((0.2, 0.6, 0.2))
        assert row["to_80"] == 1
        assert pd.isna(row["to_90"])
        assert (row["seconds"], row["peak_mb"]) == (1.0, 102.0)
        assert (row["lesion_size"], row["uptake"]) == ("10-100 mL", "SUVmax < 5")

    def test_a_failed_case_counts_as_0_at_every_step(self):
        failed = {"case": "A", "method": "n", "error": "ValueError: no"}
        found = case_table(step_table([result("A", "m", 0.5, 0.5), failed], 1)).set_index("method")
        assert found.loc["n", ["auc_dice", "auc_dmm", "dice"]].tolist() == [0, 0, 0]
        assert found.loc["n", "error"] == "ValueError: no"
        assert found.loc["n", "lesion_ml"] == 10.0

    def test_a_case_of_which_nothing_is_known_is_left_out(self):
        assert step_table([{"case": "A", "method": "n", "error": "x"}], 1).empty


class TestBootstrap:
    def test_the_interval_holds_the_mean_and_shrinks_to_it_when_all_are_equal(self):
        found = Bootstrap(table(m=[0.5] * 8, n=[0.1, 0.9] * 4), ["m", "n"], seed=0)
        equal, wide = found.interval("auc_dice", "m"), found.interval("auc_dice", "n")
        assert (equal.mean, equal.low, equal.high, equal.n) == pytest.approx((0.5, 0.5, 0.5, 8))
        assert wide.low < wide.mean < wide.high
        # The standard error of the mean of 8 such values is 0.4 / sqrt(8) = 0.141.
        assert wide.high - wide.low == pytest.approx(2 * 1.96 * 0.141, rel=0.15)

    def test_patients_are_drawn_and_not_their_studies(self):
        one = table(m=[0.1, 0.9])
        many = pd.concat([one.assign(case=one["case"] + str(i)) for i in range(20)])
        few, more = (Bootstrap(t, ["m"], seed=0).interval("auc_dice", "m") for t in (one, many))
        assert (few.low, few.high) == pytest.approx((more.low, more.high))

    def test_the_same_seed_gives_the_same_draws(self):
        one, other = (Bootstrap(table(m=[0.1, 0.5, 0.9]), ["m"], seed=3).means("auc_dice") for _ in range(2))
        assert np.array_equal(one, other)

    def test_undefined_scores_count_for_nothing(self):
        found = Bootstrap(table(m=[0.4, None, 0.6]), ["m"], seed=0).interval("auc_dice", "m")
        assert (found.mean, found.n) == pytest.approx((0.5, 2))


class TestComparison:
    def test_holms_p_values(self):
        # Sorted .01 .03 .04: 3 x .01, 2 x .03, and 1 x .04, which may not be below the one before.
        assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
        assert holm([0.5, 0.6]) == [1.0, 1.0]
        assert holm([]) == []

    def test_a_method_that_is_better_for_every_one_of_six_patients(self):
        # Of the 2^6 signs only two are as extreme: p = 2 / 64.
        reference = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
        better = [v + d for v, d in zip(reference, [0.01, 0.02, 0.03, 0.04, 0.05, 0.06], strict=True)]
        found = compare(table(a=reference, b=better, c=reference), "auc_dice", "a", ["b", "c"]).set_index("method")
        assert found.loc["b", "p"] == pytest.approx(2 / 64)
        assert found.loc["b", "p_holm"] == pytest.approx(2 / 64)
        assert found.loc["b", "difference"] == pytest.approx(0.035)
        assert pd.isna(found.loc["c", "p"])
        assert found.loc["c", "difference"] == 0


class TestRanks:
    def test_equal_means_share_a_rank_and_undefined_ones_are_last(self):
        assert ranks(np.array([0.5, 0.9, 0.5, np.nan])).tolist() == [2.5, 1, 2.5, 4]

    def test_the_combined_rank_is_that_of_the_mean_rank(self):
        # Ranks 1 2 3 and 3 1 2: means 2, 1.5, 2.5.
        assert combined_ranks([np.array([0.9, 0.8, 0.7]), np.array([0.1, 0.9, 0.5])]).tolist() == [2, 1, 3]

    def test_a_ranking_that_every_patient_agrees_on_is_stable(self):
        cases = table(low=[0.1, 0.2, 0.3], high=[0.7, 0.8, 0.9], middle=[0.4, 0.5, 0.6])
        methods = ["low", "high", "middle"]
        found = rank(cases, methods, Bootstrap(cases, methods, seed=0))
        assert found.table["method"].tolist() == ["high", "middle", "low"]
        assert found.table["combined"].tolist() == found.table["low"].tolist() == found.table["high"].tolist()
        assert found.tau.min() == pytest.approx(1)

    def test_a_ranking_that_hangs_on_one_patient_is_not(self):
        cases = table(a=[0.9, 0.4, 0.4], b=[0.1, 0.5, 0.5])
        found = rank(cases, ["a", "b"], Bootstrap(cases, ["a", "b"], seed=0))
        # Without the first patient, in (2/3)^3 of the draws, the order turns.
        assert (found.tau < 0).mean() == pytest.approx(8 / 27, abs=0.04)


class TestGroups:
    CASES = table(m=[0.9, 0.7, 0.2, 0.4, 0.3], n=[0.5] * 5).assign(
        tracer=["fdg", "fdg", "psma", "psma", "psma"] * 2,
        centre=None,
        lesion_size=["s", "s", "s", "s", "l"] * 2,
        uptake=None,
    )

    def test_means_by_group(self):
        found = by_group(self.CASES, ["m", "n"]).set_index("group")
        assert found.loc["fdg", "m"] == pytest.approx(0.8)
        assert found.loc["psma", "m"] == pytest.approx(0.3)
        assert found["cases"].to_dict() == {"fdg": 2, "psma": 3, "s": 4, "l": 1}

    def test_the_worst_group_has_at_least_three_cases(self):
        assert worst_group(by_group(self.CASES, ["m", "n"]), "m") == "psma (3 cases): 0.300"
        few = self.CASES[self.CASES["patient"].isin(["p0", "p1"])]
        assert worst_group(by_group(few, ["m", "n"]), "m") is None
