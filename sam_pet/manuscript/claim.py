"""The CLAIM checklist (Mongan, Moy and Kahn 2020, doi 10.1148/ryai.2020200029): what a paper should tell, in order.

The items are in our words.
"""

from __future__ import annotations

CLAIM = "CLAIM 2020, doi 10.1148/ryai.2020200029"

# Section, and its items by number.
SECTIONS: dict[str, dict[int, str]] = {
    "Title and abstract": {1: "kind of AI in the title", 2: "structured abstract"},
    "Introduction": {3: "background and intended use", 4: "objectives and hypotheses"},
    "Methods: design": {5: "prospective or retrospective", 6: "goal of the study"},
    "Methods: data": {
        7: "sources of the data",
        8: "eligibility of patients",
        9: "preprocessing",
        10: "subsets of the data",
        11: "definitions of data elements",
        12: "de-identification",
        13: "missing data",
    },
    "Methods: reference standard": {
        14: "definition",
        15: "why this one",
        16: "who annotated",
        17: "tools of annotation",
        18: "variability of annotators",
    },
    "Methods: partitions": {19: "sample size", 20: "assignment to partitions", 21: "level at which they are disjoint"},
    "Methods: model": {22: "description", 23: "software", 24: "initial weights"},
    "Methods: training": {25: "how it was trained", 26: "choice of the final model", 27: "ensembles"},
    "Methods: evaluation": {
        28: "metrics",
        29: "statistics",
        30: "robustness",
        31: "explainability",
        32: "external data",
    },
    "Results: data": {33: "flow of cases", 34: "characteristics of cases"},
    "Results: performance": {
        35: "performance on all partitions",
        36: "estimates and their precision",
        37: "failures",
    },
    "Discussion": {38: "limits", 39: "what it means for practice"},
    "Other information": {40: "registration", 41: "protocol and code", 42: "funding"},
}
ITEMS = {number: title for items in SECTIONS.values() for number, title in items.items()}


def run_in(item: int) -> str:
    """What a paragraph on an item begins with."""
    title = ITEMS[item]
    return f"{title[0].upper()}{title[1:]} ({item})."
