"""Answers requests for the pages of a store: which address shows what, and what is refused."""

import secrets
import shlex
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orchestrator.ledger.records import find_trial
from orchestrator.networks.formats import Format
from orchestrator.report.trial_text import mean_text, trial_text
from orchestrator.store.store import Store
from orchestrator.tracking.run_links import RunLinks
from orchestrator.ui import contents, pages
from orchestrator.ui.address import Address
from orchestrator.ui.figures import layer_charts
from orchestrator.ui.filters import Filter
from orchestrator.ui.watched import WatchedStore
from trainables.errors import EspalierError, InvalidValue, RequestRefused, check_name, naming_files

HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""A page runs no script but ours, loads nothing from elsewhere, and is part of no other site's page."""

TOKEN: Final = "token"
TOKEN_WANTED: Final = "The token is missing or wrong: open the address that `espalier ui` has printed"


def application(store: Store, address: Address, mlflow: str | None = None) -> ASGIApp:
    """Return the pages of a store, to be served at an address; `mlflow` is where its MLflow pages are served."""
    links = RunLinks(store.mlflow_database, mlflow) if mlflow is not None else None
    return _Guarded(_Pages(WatchedStore(store), links).routed(), address)


@dataclass(frozen=True)
class _Pages:
    """The pages by their addresses. Each runs in a thread, because it reads files."""

    studies: WatchedStore
    links: RunLinks | None
    started: str = field(default_factory=lambda: secrets.token_hex(4))

    def routed(self) -> Starlette:
        shown = {
            "/": self.store,
            "/live": self.store_live,
            "/assets/{name}": self.asset,
            "/studies/{study}": self.study,
            "/studies/{study}/live": self.study_live,
            "/studies/{study}/compare": self.compare,
            "/studies/{study}/trials/{trial:int}": self.trial,
            "/studies/{study}/trials/{trial:int}/text": self.text,
            "/studies/{study}/trials/{trial:int}/mean": self.mean,
            "/studies/{study}/trials/{trial:int}/layers": self.layers,
            "/studies/{study}/trials/{trial:int}/network.{format}": self.network,
        }
        return Starlette(routes=[Route(path, _answering(page), methods=["GET"]) for path, page in shown.items()])

    def store(self, _: Request) -> Response:
        names = self.studies.store.names()
        cards = self._cards() if all(map(self.studies.is_quick, names)) else None
        return HTMLResponse(pages.drawn("store.html", place=self.studies.store.place, cards=cards, names=names))

    def store_live(self, request: Request) -> Response:
        return _unless_known(request, "", lambda: pages.drawn("store_live.html", cards=self._cards()))

    def _cards(self) -> list[contents.StudyCard]:
        return [
            contents.StudyCard(line) if line.trouble else contents.study_card(self.studies.study(line.name))
            for line in self.studies.lines()
        ]

    def study(self, request: Request) -> Response:
        """Show a study; one that has not been read before is begun at once, and its browser asks for the rest."""
        name, chosen = request.path_params["study"], Filter.of(request.query_params)
        spec = self.studies.spec(name)
        page = contents.study_page(self.studies.study(name), chosen) if self.studies.is_quick(name) else None
        mlflow = self.links and self.links.study(name)
        views = contents.view_captions(spec)
        return HTMLResponse(pages.drawn("study.html", spec=spec, page=page, views=views, chosen=chosen, mlflow=mlflow))

    def study_live(self, request: Request) -> Response:
        study, chosen = self.studies.study(request.path_params["study"]), Filter.of(request.query_params)
        tag = f'"{self.started}-{study.edition}"'
        return _unless_known(
            request, tag, lambda: pages.drawn("study_live.html", page=contents.study_page(study, chosen))
        )

    def compare(self, request: Request) -> Response:
        study = self.studies.study(request.path_params["study"])
        numbers = [_number(text) for text in request.query_params.getlist("trial")]
        return HTMLResponse(pages.drawn("compare.html", page=contents.comparison_page(study, numbers)))

    def trial(self, request: Request) -> Response:
        study, number = self.studies.study(request.path_params["study"]), request.path_params["trial"]
        with naming_files():
            page = contents.trial_page(study, number)
        mlflow = self.links and self.links.trial(study.spec.name, number)
        place = self.studies.store.place
        export = shlex.join(["espalier", "export", study.spec.name, str(number), "--store", place])
        return HTMLResponse(pages.drawn("trial.html", page=page, export=export, mlflow=mlflow))

    def text(self, request: Request) -> Response:
        study = self.studies.study(request.path_params["study"])
        return PlainTextResponse(trial_text(find_trial(study.records, request.path_params["trial"])))

    def mean(self, request: Request) -> Response:
        """Say what the seeds of the configuration showed that a trial is the first of."""
        study, number = self.studies.study(request.path_params["study"]), request.path_params["trial"]
        return PlainTextResponse(mean_text(contents.configuration(study, number)))

    def layers(self, request: Request) -> Response:
        from orchestrator.networks.layers import layers
        from orchestrator.networks.loading import load_trained  # imports torch when a network is first looked at

        study = self.studies.study(request.path_params["study"])
        with naming_files():
            charts = layer_charts(layers(load_trained(study.folder, request.path_params["trial"])))
        return HTMLResponse(pages.drawn("layers.html", charts=charts))

    def network(self, request: Request) -> Response:
        """Write a network into a folder of this machine's own, send it, and delete it: the store stays as it is."""
        from orchestrator.networks import trial_export
        from orchestrator.networks.loading import load_trained

        study, format = self.studies.study(request.path_params["study"]), request.path_params["format"]
        check_name("format", format, [kind.value for kind in Format])
        with ExitStack() as kept:
            folder = kept.enter_context(tempfile.TemporaryDirectory(prefix="espalier-"))
            with naming_files():
                network = load_trained(study.folder, request.path_params["trial"])
                file = trial_export.write(network, format, Path(folder) / "network")
            name = trial_export.file_name(study.spec.name, network.record.trial, format)
            sent = BackgroundTask(kept.pop_all().close)
        return FileResponse(file.path, media_type="application/octet-stream", filename=name, background=sent)

    def asset(self, request: Request) -> Response:
        name = request.path_params["name"]
        check_name("asset", name, pages.ASSETS)
        return Response(pages.asset(name), media_type=pages.ASSETS[name])


def _answering(page: Callable[[Request], Response]) -> Callable[[Request], Response]:
    """Return a page that says in a sentence what is wrong with what was asked for, or with the store."""

    def answer(request: Request) -> Response:
        try:
            return page(request)
        except InvalidValue as error:
            return HTMLResponse(pages.sentence(str(error)), 404)
        except EspalierError as error:
            return HTMLResponse(pages.sentence(str(error)), 409 if isinstance(error, RequestRefused) else 503)

    return answer


def _unless_known(request: Request, tag: str, page: Callable[[], str]) -> Response:
    """Answer with a part of a page, or with nothing to a browser that has it already."""
    if tag and request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers={"ETag": tag})
    return HTMLResponse(page(), headers={"ETag": tag} if tag else {})


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise InvalidValue("trial", text, "must be a trial's number")
    return int(text)


class _Guarded:
    """Lets a request through to the pages only if it may ask for them, and gives every answer the `HEADERS`."""

    def __init__(self, pages: ASGIApp, address: Address) -> None:
        self._pages, self._address = pages, address

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._pages(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        answer = self._answer(Request(scope))
        await (answer or self._pages)(scope, receive, with_headers)

    def _answer(self, request: Request) -> Response | None:
        """Return the answer to a request that does not reach the pages; None if it does."""
        address, typed = self._address, request.query_params.get(TOKEN)
        if refusal := address.refusal(request.method, request.headers):
            return PlainTextResponse(refusal, 405 if request.method not in ("GET", "HEAD") else 403)
        if not address.is_admitted(typed or request.cookies.get(address.cookie)):
            return PlainTextResponse(TOKEN_WANTED, 401)
        if typed is None or address.token is None:
            return None
        rest = request.url.remove_query_params(TOKEN).query
        answer = RedirectResponse(f"/{request.url.path.lstrip('/')}" + (f"?{rest}" if rest else ""), 303)
        answer.set_cookie(address.cookie, address.token, httponly=True, samesite="strict")
        return answer
