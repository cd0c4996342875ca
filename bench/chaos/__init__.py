"""What happens to a whole climb when it is killed, starved or damaged: nothing lost, nothing paid twice, the same numbers."""

import os

for _name in (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
):  # before numpy: what has threads cannot be forked
    os.environ[_name] = "1"
os.environ["RUNG_TRUST"] = "1"  # the projects are ours
