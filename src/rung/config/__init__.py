"""rung.yaml -> Config: the file is the experiment."""

from rung.config.prompt import read_prompt
from rung.config.reading import load_config, parse_config
from rung.config.roles import asked_roles
from rung.config.sections import DEFAULT_METRIC, Config, Step

__all__ = ["DEFAULT_METRIC", "Config", "Step", "asked_roles", "load_config", "parse_config", "read_prompt"]
