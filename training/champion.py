"""Tells how the bundle in service was made, so that its like can be made without the future."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recsys import manifest, shelf
from recsys.config import Place, parse
from recsys.errors import BundleError, BundleMissing, ConfigError
from recsys.manifest import Manifest
from training.recipe import Recipe


@dataclass(frozen=True, slots=True)
class Champion:
    """The bundle in service, as far as a new one is compared with it."""

    id: str = ""
    """Empty where there is none."""
    recipe: Recipe | None = None
    """None where it does not say how it was made."""
    stated: Manifest = field(default_factory=Manifest)
    notes: tuple[str, ...] = ()
    """Sentences on what is not known of it."""


def champion(root: Path) -> Champion:
    """Return the current bundle of ``root``; one that cannot be read is none."""
    try:
        id = shelf.current(root)
        stated = manifest.read(shelf.folder(root, id))
    except BundleMissing:
        return Champion(notes=("Nothing was in service before: there is nothing to compare with.",))
    except BundleError as error:
        return Champion(notes=(f"The bundle in service was not compared: {error}.",))
    recipe, notes = recalled(stated.recipe)
    return Champion(id, recipe, stated, notes)


def recalled(values: Mapping[str, Any]) -> tuple[Recipe | None, tuple[str, ...]]:
    """Return the recipe that a manifest states, and what is not known of it.

    Settings of another version that this one lacks are left out; those that it has since are as by
    default. None where nothing is stated, or nothing that could be followed.
    """
    if not values:
        return None, (
            "The bundle in service does not say how it was made (it is older than that).",
        )
    known = {field.name for field in dataclasses.fields(Recipe)}
    lacking, strange = sorted(known - set(values)), sorted(set(values) - known)
    told = {name: value for name, value in values.items() if name in known}
    try:
        recipe = parse(Recipe, told, Place("its manifest", ("recipe",)))
    except ConfigError as error:
        return None, (f"The recipe of the bundle in service cannot be followed: {error}.",)
    notes = []
    if strange:
        notes.append(f"Its recipe has settings that are no more, left out: {', '.join(strange)}.")
    if lacking:
        notes.append(f"Its recipe is without {', '.join(lacking)}, taken as by default.")
    return recipe, tuple(notes)
