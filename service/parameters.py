"""Checks query parameters by pydantic alone, for routes that are asked all the time.

flask-openapi3 goes through the schema of every parameter at every request, which takes five times
as long as the check itself.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, get_type_hints

from flask import Response, abort, request
from pydantic import BaseModel, ValidationError

from service import problems


def checked(view: Callable[..., Response]) -> Callable[..., Response]:
    """Have a view's ``query`` checked here; its route still describes it.

    For models of plain values: of a parameter that is given several times the first counts, as it
    does elsewhere. What cannot be used is answered with 422.
    """
    model: type[BaseModel] = get_type_hints(view)["query"]

    @wraps(view)
    def asked(**path: Any) -> Response:
        try:
            query = model.model_validate(request.args.to_dict())
        except ValidationError as error:
            abort(problems.invalid(error))
        return view(query=query, **path)

    asked.__delay_validate_request__ = True  # type: ignore[attr-defined]
    return asked
