"""Scalar types with their bounds; a value outside them never gets past the wire."""

from typing import Annotated

from msgspec import Meta

Unit = Annotated[float, Meta(ge=0.0, le=1.0, description="a share or score between 0 and 1")]
Share = Annotated[float, Meta(gt=0.0, le=1.0, description="a share above 0, at most 1")]
Count = Annotated[int, Meta(ge=0, le=2**53 - 1, description="a number of things")]
# Upper bounds keep sums of squares finite in a double: 1e9 ms is 11 days, 1e6 USD is no price of a request.
Millis = Annotated[float, Meta(ge=0.0, le=1e9, description="a duration in milliseconds")]
Seconds = Annotated[float, Meta(ge=0.0, le=1e9, description="a duration in seconds")]
Usd = Annotated[float, Meta(ge=0.0, le=1e6, description="US dollars")]
Ratio = Annotated[float, Meta(gt=-1.0, le=1e6, description="a relative change; 0.1 is ten percent more")]
LogRatio = Annotated[float, Meta(ge=-50.0, le=50.0, description="natural logarithm of a ratio")]
Variance = Annotated[float, Meta(ge=0.0, le=1e6, description="a variance")]
SumOfSquares = Annotated[float, Meta(ge=0.0, le=1e9, description="a sum of squared distances from the mean")]
EventTime = Annotated[int, Meta(ge=0, le=4_102_444_800_000, description="milliseconds since 1970 UTC")]
Identifier = Annotated[str, Meta(min_length=1, max_length=128, pattern=r"^[\x21-\x7e]+$(?!\n)")]
Name = Annotated[str, Meta(min_length=1, max_length=128)]
Text = Annotated[str, Meta(max_length=2_000)]
# In Python `$` also matches before a final line feed; the look-ahead closes that door and means the same in ECMAScript.
# tenant/service/route: printable ASCII without blanks, two slashes.
ScopeName = Annotated[
    str,
    Meta(
        max_length=200,
        pattern=r"^[A-Za-z0-9._:-]+/[A-Za-z0-9._:-]+/[A-Za-z0-9._:-]+$(?!\n)",
        description="the unit whose configuration is optimised: tenant/service/route",
    ),
]
# Aggregates are the engine's own: named like a scope, so that whoever reads scopes can read them; wire/codec.py refuses
# an analyzer's, actuator's or operator's message that names one.
AggregateName = Annotated[
    str,
    Meta(
        max_length=200,
        pattern=r"^:[a-z]+/[A-Za-z0-9._:-]+/[0-9]+$(?!\n)",
        description="what is known across scopes about one thing: :kind/name/shard",
    ),
]
