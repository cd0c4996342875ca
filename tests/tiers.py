"""Which tier runs: `make nightly` draws many more random cases, and reads whole data sets where `make test` reads some rows."""

from hypothesis import settings

NIGHTLY = (
    settings().max_examples >= 1000
)  # of the profile that `--hypothesis-profile` chose: import it in test files alone
