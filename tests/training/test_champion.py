"""A manifest tells how its bundle was made, whatever version of the program made it."""

import dataclasses
import json

from recsys.bundle import Bundle, Manifest, publish, write
from recsys.weights import Weights
from training.champion import champion, recalled
from training.recipe import Recipe

RECIPE = Recipe(dims=8, alpha=3.0, coread_half_lives=(60.0,), weights=Weights(click=2.0))
STATED = json.loads(json.dumps(dataclasses.asdict(RECIPE)))


def test_a_recipe_comes_back_as_it_was_followed():
    assert recalled(STATED) == (RECIPE, ())


def test_settings_that_are_no_more_are_left_out_and_later_ones_are_by_default():
    older = {**STATED, "annealing": 0.5}
    del older["rank_rate"]
    recipe, notes = recalled(older)
    assert recipe == dataclasses.replace(RECIPE, rank_rate=Recipe().rank_rate)
    assert "no more, left out: annealing" in notes[0]
    assert "without rank_rate" in notes[1]


def test_a_recipe_that_cannot_be_followed_is_none_with_the_reason():
    recipe, notes = recalled({**STATED, "dims": 0})
    assert recipe is None
    assert "dims = 0: expected 1 or more" in notes[0]
    assert recalled({})[0] is None


def test_of_what_is_in_service_only_what_can_be_read_is_compared(tmp_path):
    assert champion(tmp_path).id == ""
    assert "Nothing was in service before" in champion(tmp_path).notes[0]
    made = Manifest(created=1, recipe=dataclasses.asdict(RECIPE))
    id = write(dataclasses.replace(Bundle.empty(), manifest=made), tmp_path).name
    publish(tmp_path, id)
    found = champion(tmp_path)
    assert (found.id, found.recipe, found.notes) == (id, RECIPE, ())
    (tmp_path / id / "manifest.json").write_text("{}")
    assert champion(tmp_path).id == ""
    assert "was not compared" in champion(tmp_path).notes[0]


def test_a_bundle_of_the_format_before_says_nothing_of_its_recipe(tmp_path):
    made = Manifest(format=3, created=1)
    id = write(dataclasses.replace(Bundle.empty(), manifest=made), tmp_path).name
    publish(tmp_path, id)
    found = champion(tmp_path)
    assert (found.id, found.recipe) == (id, None)
    assert "does not say how it was made" in found.notes[0]
