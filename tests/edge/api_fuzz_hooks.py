"""For Schemathesis: each order has a key of its own, since one key for two different orders is rightly refused."""

from itertools import count
from typing import Any

import schemathesis

KEY = "idempotency-key"
LONGEST = 180
_numbers = count()


@schemathesis.hook
def before_call(_context: Any, case: Any, _kwargs: dict[str, Any]) -> None:
    """Make a usable key unique; what is no key by the schema is left as it is."""
    for name in [name for name in case.headers or {} if name.lower() == KEY]:
        if isinstance(case.headers[name], str) and len(case.headers[name]) <= LONGEST:
            case.headers[name] += f"-{next(_numbers)}"
