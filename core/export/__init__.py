"""Export: a selection as files that people and trainers read."""

from core.export.formats import EXPORT_FORMATS, ExportFormat
from core.export.preview import Preview, preview
from core.export.write import ExportReport, write_rows

__all__ = [
    "EXPORT_FORMATS",
    "ExportFormat",
    "ExportReport",
    "Preview",
    "preview",
    "write_rows",
]
