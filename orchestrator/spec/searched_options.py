"""Check which options of its networks, such as a width, a study searches for all paradigms."""

from collections.abc import Iterator, Mapping, Sequence

from orchestrator.spec.choices import Choice, Range, check_choice
from orchestrator.spec.option_entries import entry
from trainables import models
from trainables.errors import InvalidValue, nearest
from trainables.spec import ModelSpec, Value


def check(searched: Mapping[str, Choice], networks: Sequence[ModelSpec]) -> Iterator[InvalidValue]:
    """Yield an error for each option that cannot be searched as given, under its name."""
    for name, choice in searched.items():
        if not any(takes(network, name) for network in networks):
            yield InvalidValue(name, choice, _not_taken(name, networks))
        elif not isinstance(choice, list | Range):
            allowed = "must be a list of choices or a range {low, high}; one value for all trials is model.options."
            yield InvalidValue(name, choice, f"{allowed}{name}")
        else:
            yield from check_choice(name, choice, _accept, None)


def takes(network: ModelSpec, option: str) -> bool:
    """Return whether a network takes an option that its study leaves open; of networks of others it is assumed.

    An entry of a list is taken by a network whose options have that list.
    """
    found = entry(option)
    if found is not None:
        return found.lies_in(network.options)
    known = models.options_of(network.name)
    return option not in network.options and (known is None or option in known)


def _not_taken(name: str, networks: Sequence[ModelSpec]) -> str:
    found = entry(name)
    if found is not None:
        return f"is in no list of the study's networks: give model.options.{found.option} as a list that is long enough"
    fixed = [network.label for network in networks if name in network.options]
    if fixed:
        return f"is fixed by {', '.join(fixed)}; leave it out here or there"
    known = {network.name: models.options_of(network.name) or () for network in networks}
    listed = "; ".join(f"{network} takes {', '.join(options) or 'no options'}" for network, options in known.items())
    return (
        f"is an option of none of the study's networks: {listed}{nearest(name, {o for k in known.values() for o in k})}"
    )


def _accept(value: Value) -> None:
    """Accept any value: only the network's author knows which are allowed; they are tried before the study starts."""
