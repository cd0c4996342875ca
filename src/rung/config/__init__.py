"""rung.yaml -> Config: the file is the experiment."""

from rung.config.approaches import stored_label
from rung.config.goal import AsGoodAs
from rung.config.prompt import read_prompt
from rung.config.reading import load_config, overridden, parse_config
from rung.config.roles import asked_roles
from rung.config.sections import DEFAULT_METRIC, Config
from rung.config.steering import steering
from rung.config.steps import Step

__all__ = [
    "DEFAULT_METRIC",
    "AsGoodAs",
    "Config",
    "Step",
    "asked_roles",
    "load_config",
    "overridden",
    "parse_config",
    "read_prompt",
    "steering",
    "stored_label",
]
