from __future__ import annotations

import presets
import pytest
import settings

from fimcore.experiments import load
from fimcore.experiments.cost import admit
from fimcore.experiments.network_spec import NetworkSpec


@pytest.mark.parametrize("preset", presets.load_presets(), ids=lambda preset: preset.name)
def test_preset_is_a_valid_network_that_fits(preset: presets.Preset) -> None:
    NetworkSpec(**preset.fields)
    module = load("explore")
    admit(module.Spec(**preset.fields), module.cost)


@pytest.mark.parametrize("question", ["explore", "width", "spectrum", "phase", "unit", "train"])
@pytest.mark.parametrize("preset", presets.load_presets(), ids=lambda preset: preset.name)
def test_preset_reaches_the_controls_of_every_page(question: str, preset: presets.Preset) -> None:
    table = settings.settings_of(question)
    for key, value in preset.values(question).items():
        setting = table[key]
        assert setting.parse(setting.text(value)) == value


def test_names_are_distinct_and_say_what_to_look_at() -> None:
    found = presets.load_presets()
    assert len({preset.name for preset in found}) == len(found)
    assert all(preset.sentence.endswith(".") for preset in found)
