"""Swagger UI at /, from files of the service alone: no script, font or picture comes from elsewhere."""
from __future__ import annotations

from flask import Blueprint, render_template
from flask_restx import Api

blueprint = Blueprint("pages", __name__, template_folder="templates", static_folder="static", static_url_path="/static")


def swagger_page(api: Api) -> str:
    """The page that loads Swagger UI with the description of `api`."""
    return render_template("swagger.html", title=api.title, specs_url="/swagger.json")
