"""The report of a study: projections, lesions, totals, and how the masks came about, as a page and on paper."""

from sam_pet.report.content import Content, of_mask, of_session
from sam_pet.report.write import write_report

__all__ = ["Content", "of_mask", "of_session", "write_report"]
