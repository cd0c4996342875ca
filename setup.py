"""The addresses in the package's metadata, each from a variable: who builds it knows where it lives. All else: pyproject.toml."""

import os

from setuptools import setup

ADDRESSES = {
    "Homepage": "RUNG_URL_HOMEPAGE",
    "Documentation": "RUNG_URL_DOCUMENTATION",
    "Source": "RUNG_URL_SOURCE",
    "Issues": "RUNG_URL_ISSUES",
    "Report a vulnerability": "RUNG_URL_SECURITY",
    "Changelog": "RUNG_URL_CHANGELOG",
}

setup(project_urls={name: os.environ[variable] for name, variable in ADDRESSES.items() if os.environ.get(variable)})
