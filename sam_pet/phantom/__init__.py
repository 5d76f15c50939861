"""Simulated whole-body FDG and PSMA PET/CT studies with their lesions, made from seeds."""

from sam_pet.phantom.borrowed import make_borrowed
from sam_pet.phantom.make import Phantom, make_phantom
from sam_pet.phantom.odd import make_odd
from sam_pet.phantom.patients import RealLesion, RealPatient, read_patients
from sam_pet.phantom.tissue import LOOKS, ORGAN_NAMES, Tissue, Tracer
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
    "make_borrowed",
    "make_odd",
    "make_phantom",
    "make_wide",
    "make_wide_drawn",
    "read_patients",
    "write_folder",
    "write_nnunet",
]
