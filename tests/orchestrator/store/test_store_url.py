"""How stores and MLflow servers are named, and that no secret is in such a name or in what is said of it."""

import pytest

from orchestrator.store.store import Store
from orchestrator.store.store_url import check_store_url
from trainables.errors import InvalidValue

SECRETS = ["hush", "hu/sh", "hu@sh", "hu:sh", "hu?sh", "hu#sh"]


@pytest.mark.parametrize(
    "url", ["s3://shelf", "s3://shelf/a/b", "s3://shelf/a?region=eu-west-1&scheme=http", "gs://anonymous@shelf/a"]
)
def test_a_bucket_is_a_store(url: str) -> None:
    assert check_store_url(url) == url


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("ftp://shelf/a", "must be a folder, or a URL as s3://BUCKET/PREFIX"),
        ("s3:///a", "must name a bucket"),
        ("s3://shelf/a#b", "must name a bucket"),
        ("s3://shelf/a//b", "must name a bucket"),
        ("s3://shelf/../other", "must name a bucket"),
        ("s3://[shelf", "must be a folder, or a URL"),
        ("s3://shelf/a?endpoint=here", "'endpoint' is nothing that it can say; after '\\?' may stand region"),
    ],
)
def test_what_is_no_bucket_is_refused_with_what_it_could_be(url: str, said: str) -> None:
    with pytest.raises(InvalidValue, match=said):
        Store.at(url)


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize(
    "url", ["s3://key:{}@shelf/a", "gs://key:{}@shelf", "s3a://key:{}@shelf", "s3://shelf?secret_key={}"]
)
def test_a_store_with_a_secret_is_refused_and_the_secret_not_repeated(url: str, secret: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        Store.at(url.format(secret))
    assert secret not in str(refused.value)
