"""Simulated whole-body FDG and PSMA PET/CT studies with their lesions, made from seeds."""

from sam_pet.phantom.atypical import make_atypical
from sam_pet.phantom.make import Phantom, make_phantom
from sam_pet.phantom.patients import RealLesion, RealPatient, read_patients
from sam_pet.phantom.tissue import LOOKS, ORGAN_NAMES, Tissue, Tracer
from sam_pet.phantom.warped_anatomy import make_warped
from sam_pet.phantom.wide import GROUPS, Group, make_wide, make_wide_drawn
from sam_pet.phantom.write import write_folder, write_nnunet

__all__ = [
    "GROUPS",
    "LOOKS",
    "ORGAN_NAMES",
    "Group",
    "Phantom",
    "RealLesion",
    "RealPatient",
    "Tissue",
    "Tracer",
    "make_atypical",
    "make_phantom",
    "make_warped",
    "make_wide",
    "make_wide_drawn",
    "read_patients",
    "write_folder",
    "write_nnunet",
]
