"""Where an export goes: what may be replaced, what stands beside it, all of it or nothing."""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from core.errors import InputError
from core.export.formats import EXPORT_FORMATS, ExportFormat
from core.paths import user_path
from core.project import atomic_file, atomic_folder

RECIPE = "recipe.yaml"
_JSON_SUFFIXES = {".json", ".jsonl", ".ndjson"}  # either way of writing JSON, as the name says
_FILE_SUFFIXES = {entry.suffix for entry in EXPORT_FORMATS.values() if not entry.is_folder}
# All that a folder export may hold beside its data: with --overwrite nothing else is ever removed.
_OURS = re.compile(
    r"recipe\.yaml|dataset\.yaml|dataset_info\.json|state\.json|data-\d+-of-\d+\.arrow"
)


@dataclass(frozen=True)
class Destination:
    """A place that was looked at and may be written to."""

    path: Path
    format: ExportFormat

    @property
    def name(self) -> str:
        """Name of the data set, after the file or folder, as a trainer's list of names takes it."""
        name = re.sub(r"[^\w.-]+", "_", self.path.name if self.format.is_folder else self.path.stem)
        return "rows" if name == "dataset_info" else name  # LLaMA-Factory's own file

    @property
    def recipe_path(self) -> Path:
        """Inside a folder; beside a file `recipe.yaml`, unless that belongs to another export."""
        if self.format.is_folder:
            return self.path / RECIPE
        beside = self.path.with_name(RECIPE)
        if not beside.exists() or _exported_file(beside) == self.path.name:
            return beside
        return self.path.with_name(f"{self.path.name}.{RECIPE}")

    @contextmanager
    def writing(self, recipe: str | None, about: Mapping[str, Any]) -> Iterator[Path]:
        """Yield a temporary file or folder that takes its place at the end, with its recipe.

        Parameters
        ----------
        recipe : text of the run's recipe; None for rows that are of no run.
        about : what is known of this export, added to the recipe under `export`. It is read at the
            end, so that what the block below put into it is there.

        Raises
        ------
        InputError
            The disk is full, the place may not be written to, and so on.
        """
        try:
            with ExitStack() as stack:
                if self.format.is_folder:
                    temporary = stack.enter_context(atomic_folder(self.path))
                    beside = temporary / RECIPE
                else:
                    # Left in the reverse order: the rows are in place before their recipe is.
                    if recipe:
                        beside = stack.enter_context(atomic_file(self.recipe_path))
                    temporary = stack.enter_context(atomic_file(self.path))
                yield temporary
                if recipe:
                    beside.write_text(_with_export(recipe, about), encoding="utf-8")
        except OSError as error:
            reason = error.strerror or str(error)
            raise InputError(
                f"Cannot write {self.path}: {reason}; free some space or choose another place."
            ) from error


def destination(
    out: str | Path, entry: ExportFormat, *, name: str = "rows", overwrite: bool = False
) -> Destination:
    """Look at the place for an export before any work is done.

    Parameters
    ----------
    out : a file without a suffix gets that of the format; in a folder, which exists or is written
        with a slash at its end, the file is called `name`.

    Raises
    ------
    InputError
        The suffix is of something else; a file where a folder has to be; something is there
        already and `overwrite` is off, or it is a folder that no export made.
    """
    path = user_path(out, "out").absolute()
    if not entry.is_folder:
        into = path.is_dir() or str(out).endswith(("/", os.sep))
        path = path / entry.default_name(name) if into else _with_suffix(path, entry)
    if not path.name:
        raise _refused(f"{out} cannot be replaced; give a new name for the export.")
    parent = next(folder for folder in path.parents if folder.exists())
    if not parent.is_dir():
        raise _refused(f"{parent} is a file; choose another place for {path.name}.")
    if entry.is_folder:
        _check_folder(path, entry, overwrite)
    elif path.is_dir():
        raise _refused(f"{path} is a folder; give another name.")
    elif path.exists() and not overwrite:
        raise _refused(f"{path} exists already; choose another name or add --overwrite.")
    found = Destination(path, entry)
    recipe = found.recipe_path
    if not entry.is_folder and recipe.exists() and _exported_file(recipe) != path.name:
        raise _refused(f"{recipe} belongs to something else; choose another name.")
    return found


def _refused(sentence: str) -> InputError:
    return InputError(sentence, option="out")


def _with_suffix(path: Path, entry: ExportFormat) -> Path:
    known = {entry.suffix} if entry.as_they_came else _JSON_SUFFIXES
    if path.suffix.lower() in known:
        return path
    if not path.suffix or path.suffix[1:].isdigit():  # a version, as in subset-1.2
        return path.with_name(path.name + entry.suffix)
    better = path.stem.removesuffix(entry.suffix) + entry.suffix
    raise _refused(
        f"{entry.id} is written to a {entry.suffix} file, not to {path.name}; give {better}."
    )


def _check_folder(path: Path, entry: ExportFormat, overwrite: bool) -> None:
    if path.suffix.lower() in _FILE_SUFFIXES:
        raise _refused(f"{entry.id} writes a folder; give {path.stem} in place of {path.name}.")
    if not path.exists():
        return
    if not path.is_dir():
        raise _refused(f"{path} is a file; {entry.id} writes a folder, give another name.")
    held = sorted(child.name for child in path.iterdir())
    if not held:
        return
    if not overwrite:
        raise _refused(f"{path} is not empty; choose a new folder or add --overwrite.")
    data = Destination(path, entry).name
    ours = {f"{data}.json", f"{data}.jsonl"}
    foreign = [
        name
        for name in held
        if (path / name).is_dir() or not (name in ours or _OURS.fullmatch(name))
    ]
    if foreign:
        why = f"it holds {foreign[0]}"
    elif RECIPE not in held:
        why = f"it has no {RECIPE}"
    elif _exported_file(path / RECIPE) != path.name:
        why = f"its {RECIPE} belongs to another export"
    else:
        return
    raise _refused(f"{path} was not made by an export ({why}); choose another folder.")


def _with_export(recipe: str, about: Mapping[str, Any]) -> str:
    """Text of the recipe with what was exported at its end."""
    tail = yaml.safe_dump({"export": dict(about)}, sort_keys=False, allow_unicode=True, width=100)
    return recipe.rstrip("\n") + "\n" + tail


def _exported_file(recipe: Path) -> str | None:
    """Return the file that a recipe beside an export says it belongs to."""
    # Only the end is read: the recipe of a large pool may list very many rows before it.
    _, found, tail = recipe.read_text(encoding="utf-8", errors="replace").rpartition("\nexport:\n")
    try:
        about = yaml.safe_load("export:\n" + tail) if found else None
    except yaml.YAMLError:
        return None
    export = about.get("export") if isinstance(about, dict) else None
    return export.get("file") if isinstance(export, dict) else None
