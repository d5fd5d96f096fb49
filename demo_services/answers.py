"""How the FastAPI services answer requests that they refuse."""

from http import HTTPStatus

from fastapi import Request
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from demo_services.refused import Refused, log_refusal, not_found


async def answer_refused(request: Request, error: Exception) -> JSONResponse:
    """Answer the caller's mistake."""
    assert isinstance(error, Refused)
    log_refusal(error)
    return JSONResponse(error.body(), error.status, error.headers)


async def answer_http_exception(request: Request, error: Exception) -> JSONResponse:
    """Answer an unknown path or method in the same form as everything else."""
    assert isinstance(error, HTTPException)
    if error.status_code == HTTPStatus.NOT_FOUND:
        return await answer_refused(request, not_found(request.url.path))
    status = HTTPStatus(error.status_code)
    body = {"error": status.phrase.lower().replace(" ", "-"), "detail": error.detail}
    return JSONResponse(body, status, error.headers)
