"""Check the URL of a store in an object storage: s3://BUCKET/PREFIX or gs://BUCKET/PREFIX, without secrets."""

import re
from typing import Final
from urllib.parse import parse_qsl

from orchestrator.spec.urls import masked, split
from trainables.errors import InvalidValue

KEY: Final = "--store"

FIELDS: Final = {
    "s3": ("region", "scheme", "endpoint_override", "tls_ca_file_path"),
    "gs": ("scheme", "endpoint_override", "project_id", "retry_limit_seconds"),
}
"""The allowed keys of such a URL's query, by scheme; pyarrow's file systems read them."""

CREDENTIALS: Final = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile in ~/.aws, or the role of the machine",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS, `gcloud auth application-default login`, or the account of the machine",
}
"""The sources of credentials, by scheme."""


def check_store_url(url: str) -> str:
    """Return `url` if it can name a store; raises InvalidValue, which shows no secret."""
    parts = split(url)
    if parts.scheme not in FIELDS:
        allowed = "must be a folder, or a URL as s3://BUCKET/PREFIX or gs://BUCKET/PREFIX"
        raise InvalidValue(KEY, masked(url), allowed)
    public = parts.scheme == "gs" and parts.netloc.startswith("anonymous@")
    if masked(url) != url or ("@" in parts.netloc and not public):
        allowed = f"must not hold credentials, which would be shown and stored: take {CREDENTIALS[parts.scheme]}"
        raise InvalidValue(KEY, f"{parts.scheme}://***", allowed)
    unknown = [name for name, _ in parse_qsl(parts.query, keep_blank_values=True) if name not in FIELDS[parts.scheme]]
    if unknown:
        allowed = f"{unknown[0]!r} is nothing that it can say; after '?' may stand {', '.join(FIELDS[parts.scheme])}"
        raise InvalidValue(KEY, masked(url, unknown), allowed)
    if not parts.hostname or parts.fragment or re.search(r"//|/\.{1,2}(/|$)", parts.path):
        raise InvalidValue(KEY, masked(url), f"must name a bucket: {parts.scheme}://BUCKET/PREFIX")
    return url
