"""What is real in the demo and what is made up. There is such a page only in a demo."""

from __future__ import annotations

from typing import cast

from fastapi import APIRouter, HTTPException, Request
from starlette.responses import Response

from web.rendering import render
from web.session import Anybody

router = APIRouter(include_in_schema=False)


@router.get("/about-demo")
async def about_demo(request: Request, visit: Anybody) -> Response:
    """The lists that the demo world itself states; 404 where no demo runs."""
    if not cast("bool", request.app.state.settings.demo):
        raise HTTPException(404)
    from marketplace.demo.world import MADE_UP  # the demo's code is loaded only where there is a demo

    return render(request, "home/about_demo.html", made_up=MADE_UP)
