"""Tells on one page what needs somebody's attention."""

from flask import Blueprint, Response

from service.desk.pages import page
from service.holder import Holder
from service.settings import Settings


def register(desk: Blueprint, holder: Holder, settings: Settings) -> None:
    """Add ``/desk/``."""

    @desk.get("/")
    def start() -> Response:
        return page("start.html", state=holder.state)
