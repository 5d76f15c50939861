"""DICOM in and out; needs the extra `dicom` (pydicom, highdicom).

What identifies a patient is never logged nor put in a message: those name files, tags and modalities only.
"""
