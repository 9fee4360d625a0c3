"""Tells an orchestrator whether this process lives and whether it should get traffic."""

import time

from flask import Response
from flask_openapi3 import APIBlueprint, Tag
from pydantic import BaseModel, Field

from service import draining
from service.holder import Holder
from service.problems import DESCRIBED, answer
from service.wire import respond

TAG = Tag(name="health", description="For load balancers and people on call.")


class Alive(BaseModel):
    """The process answers."""

    status: str


class Ready(BaseModel):
    """What this worker serves."""

    bundle: str = Field(description="Id of the bundle; empty where there is none.")
    bundle_age: int | None = Field(description="Seconds since it was made.")
    refused: str = Field(description="Id of a bundle that was refused; the old one stays.")
    refused_because: str
    store_reachable: bool
    refreshed: int = Field(description="UTC seconds of the last look at pointer and store.")
    error: str = Field(description="Why the last refresh failed; empty where it did not.")
    keyring: str = Field(
        description="Tells this keyring from others: replicas that share a store must agree."
    )
    queued: int = Field(description="Events that wait on this machine until the store is back.")


def blueprint(holder: Holder) -> APIBlueprint:
    """Return the routes ``/healthz`` and ``/readyz``."""
    api = APIBlueprint("health", __name__, abp_tags=[TAG])

    @api.get("/healthz", responses={200: Alive})
    def healthz() -> Response:
        """Is the process alive?"""
        return respond({"status": "ok"})

    @api.get("/readyz", responses={200: Ready, 503: DESCRIBED})
    def readyz() -> Response:
        """Should this worker get traffic?

        Ready means: it has looked for a bundle and for the store's articles at least once. A
        refused bundle or a lost store is reported here while the last good state is served.
        """
        state = holder.state
        age = int(time.time()) - state.bundle_created if state.bundle else None
        body = {
            "bundle": state.bundle,
            "bundle_age": age,
            "refused": state.refused,
            "refused_because": state.refused_because,
            "store_reachable": state.store_reachable,
            "refreshed": state.refreshed,
            "error": state.error,
            "keyring": holder.keyring.fingerprint,
            "queued": holder.intake.depth.rows,
        }
        if draining.begun():
            return answer(503, "About to stop; ask another replica.", **body)
        if state.awaited:
            return answer(503, "Still fetching the first bundle from the depot.", **body)
        if not state.refreshed:
            return answer(503, "Still looking for the first bundle.", **body)
        return respond(body)

    return api
