"""Routes of the frameworks of Dart, Elixir and Kotlin."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

SPRING = """\
@RequestMapping("/api")
class Jobs {
    @GetMapping("/jobs/{id}")
    fun show() = 1

    @PostMapping(value = ["/jobs"])
    fun save() = 1
}
"""
KTOR = """\
fun Application.routes() {
    route("/api") {
        get("/jobs") {
            call.respond(find())
        }
    }
}
"""
SHELF = """\
void main() {
  router.get('/jobs/<id>', show);
  client.get('/elsewhere', 1);
}

class Jobs {
  @Route.post('/jobs')
  Response save(Request request) => 1;
}
"""
PHOENIX = """\
scope "/api", Acme do
  get "/jobs/:id", JobController, :show
  post "/jobs", JobController, :save
end
"""


@pytest.mark.parametrize(
    ("path", "text", "routes"),
    [
        ("a.kt", SPRING, ["Jobs.GET /api/jobs/{id} 3-4", "Jobs.POST /api/jobs 6-7"]),
        ("a.kt", KTOR, ["Application.routes.GET /api/jobs 3-5"]),
        ("a.dart", SHELF, ["main.GET /jobs/<id> 2-2", "Jobs.save.POST /jobs 7-8"]),
        ("a.exs", PHOENIX, ["GET /api/jobs/:id 2-2", "POST /api/jobs 3-3"]),
    ],
)
def test_a_route_is_named_by_method_and_path(
    outline: Callable[[str, str], list[str]], path: str, text: str, routes: list[str]
) -> None:
    found = [row.removeprefix("route ") for row in outline(path, text) if row.startswith("route ")]
    assert found == routes
