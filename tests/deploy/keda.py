"""Files of KEDA's own kinds, held against models made from its published definitions (version 2.16)."""

import json
import subprocess
import sys
from typing import Any

from tests.packages import kept_modules

PACKAGES = (("cloudcoil", "0.6.0"), ("cloudcoil-models-keda", "2.16.1.0"))

# In a process of its own, so that these modules are nobody else's.
_CHECK = """
import json, sys
from cloudcoil.models.keda import v1alpha1
document = json.load(sys.stdin)
model = getattr(v1alpha1, document["kind"]).model_validate(document)
print(json.dumps(model.model_dump(by_alias=True, exclude_unset=True, mode="json")))
"""


class NotValid(Exception):
    """A field of the wrong type, one that is missing, or one that KEDA does not know."""


def validate(document: dict[str, Any]) -> None:
    """Raises `NotValid`. What a trigger's `metadata` means is the scaler's and in no definition but as texts."""
    done = subprocess.run(
        [sys.executable, "-c", _CHECK],
        input=json.dumps(document),
        env={"PYTHONPATH": str(kept_modules(*PACKAGES))},
        capture_output=True,
        text=True,
        timeout=120,
    )
    if done.returncode != 0:
        raise NotValid(done.stderr[-1_000:])
    # A model leaves out what it does not know.
    if (understood := json.loads(done.stdout)) != document:
        raise NotValid(f"of {document} KEDA would see {understood}")
