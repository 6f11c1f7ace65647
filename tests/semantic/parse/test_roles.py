"""Routes and tests are told from syntax, whatever the path of the file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from imprint.semantic.parse import ReferenceKind, extract

if TYPE_CHECKING:
    from collections.abc import Callable

FLASK = """\
auth = Blueprint("auth", __name__, url_prefix="/auth")

@auth.route("/login", methods=("GET", "POST"))
@limited
def login():
    return render()

@app.route("/")
def home(): ...

@api.get("/items/{item_id}")
async def item(item_id): ...

urlpatterns = [path("users/", views.users), re_path(r"^old/$", views.old)]
"""

EXPRESS = """\
app.get('/users/:id', authenticate, async (request, response) => {
  load(request)
})
router.post("/users", createUser)
app.route('/books').all(list)
axios.get("/elsewhere", seen)
request(app).get('/elsewhere', seen)
cache.get("/elsewhere")
"""

NEST = """\
@Controller('cats')
export class CatsController {
  @Get()
  findAll() {}
  @Post(':id')
  @HttpCode(204)
  create() {}
}
"""

GO_ROUTES = """\
package web

func routes() {
	v1 := r.Group("/v1")
	v1.GET("/users/:id", show)
	http.HandleFunc("/x", func(w http.ResponseWriter, r *http.Request) { serve(w) })
	mux.HandleFunc("POST /items/{id}", s.create)
	m.HandleFunc("/old", old).Methods("PUT", "PATCH")
	r.Route("/admin", func(r chi.Router) { r.Get("/stats", stats) })
	client.Get("/elsewhere", options)
}
"""

RUST_ROUTES = """\
#[get("/hello/<name>")]
fn hello(name: &str) -> String { greet(name) }
fn app() -> Router {
    Router::new()
        .route("/users", get(list).post(create))
        .route("/any", any(all))
}
"""

SPRING = """\
@RestController
@RequestMapping("/api")
class Users {
  @GetMapping("/users/{id}")
  User get(String id) { return null; }
  @PostMapping
  User save() { return null; }
  @RequestMapping(value = {"/a", "/b"}, method = RequestMethod.PUT, produces = "text/plain")
  User both() { return null; }
}
@Path("/books")
class Books {
  @GET @Path("{id}") Book one() { return null; }
  @DELETE
  void none() {}
}
"""

RAILS = """\
get "/hi" do
  greet
end
Rails.application.routes.draw do
  root to: "home#index"
  namespace :admin do
    get "users", to: "users#index"
    post "jobs/run" => "jobs#run"
  end
end
client.get "/elsewhere"
get "/asked"
"""

PHP_ROUTES = """\
<?php
Route::get('/users/{id}', [UserController::class, 'show']);
Route::prefix('admin')->group(function () { Route::post('/jobs', 'Jobs@run'); });
$app->get('/slim', function () { return go(); });
#[Route('/blog')]
class Blog {
    #[Route('/list', name: 'list', methods: ['GET', 'POST'])]
    public function list() {}
}
"""

ASPNET = """\
[Route("api/users")]
public class Users : ControllerBase {
    [HttpGet("{id}")]
    public User Get(int id) { return null; }
    [HttpPost]
    public User Post() { return null; }
}
var group = app.MapGroup("/v1");
group.MapGet("/jobs", () => Results.Ok());
"""


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        (
            "a.py",
            FLASK,
            [
                "GET /auth/login 3-6",
                "POST /auth/login 3-6",
                "GET / 8-9",
                "GET /items/{item_id} 11-12",
                "ANY /users 14-14",
                "ANY /old 14-14",
            ],
        ),
        ("a.js", EXPRESS, ["GET /users/:id 1-3", "POST /users 4-4", "ANY /books 5-5"]),
        ("a.ts", NEST, ["CatsController.GET /cats 3-4", "CatsController.POST /cats/:id 5-7"]),
        (
            "a.go",
            GO_ROUTES,
            [
                "routes.GET /v1/users/:id 5-5",
                "routes.ANY /x 6-6",
                "routes.POST /items/{id} 7-7",
                "routes.PUT /old 8-8",
                "routes.PATCH /old 8-8",
                "routes.GET /admin/stats 9-9",
            ],
        ),
        (
            "a.rs",
            RUST_ROUTES,
            ["GET /hello/<name> 1-2", "app.GET /users 5-5", "app.POST /users 5-5", "app.ANY /any 6-6"],
        ),
        (
            "A.java",
            SPRING,
            [
                "Users.GET /api/users/{id} 4-5",
                "Users.POST /api 6-7",
                "Users.PUT /api/a 8-9",
                "Users.PUT /api/b 8-9",
                "Books.GET /books/{id} 13-13",
                "Books.DELETE /books 14-15",
            ],
        ),
        ("a.rb", RAILS, ["GET /hi 1-3", "GET / 5-5", "GET /admin/users 7-7", "POST /admin/jobs/run 8-8"]),
        (
            "a.php",
            PHP_ROUTES,
            [
                "GET /users/{id} 2-2",
                "POST /admin/jobs 3-3",
                "GET /slim 4-4",
                "Blog.GET /blog/list 7-8",
                "Blog.POST /blog/list 7-8",
            ],
        ),
        ("a.cs", ASPNET, ["Users.GET /api/users/{id} 3-4", "Users.POST /api/users 5-6", "GET /v1/jobs 9-9"]),
    ],
)
def test_routes_are_entities_besides_their_handlers(
    outline: Callable[[str, str], list[str]], path: str, text: str, expected: list[str]
) -> None:
    routes = [line for line in outline(path, text) if line.startswith("route ")]
    assert routes == [f"route {line}" for line in expected]


PYTHON_TESTS = """\
def test_one(): ...
@slow
async def test_two(): ...
def tested(): ...
class TestJob:
    @fixture
    def job(self): ...
    def test_it(self): ...
class Job(unittest.TestCase):
    def testRun(self): ...
class Client:
    def test_client(self): ...
"""

JEST = """\
describe('Job v1.2', () => {
  function help() {}
  it('doesn\\'t stop', async () => {
    run()
  })
  it.each([1])(`takes ${n}`, (n) => {})
  test.skip('later', { timeout: 1 }, function () {})
})
test('no body')
run('not a test', () => {})
"""

GO_TESTS = """\
package a
func TestOne(t *testing.T) {}
func TestMain(m *testing.M) {}
func BenchmarkTwo(b *testing.B) {}
func ExampleThree() {}
func (s *JobSuite) TestFour() {}
func TestUtility(name string) {}
"""

RUST_TESTS = """\
mod tests {
    #[test]
    fn one() {}
    #[tokio::test]
    // slow
    #[ignore]
    async fn two() {}
    fn help() {}
}
"""

JUNIT = """\
class A {
  @Test void one() {}
  @ParameterizedTest @ValueSource(ints = 1) void two(int n) {}
  void help() {}
}
class B extends TestCase { public void testThree() {} }
"""

C_TESTS = """\
TEST_IMPL(one) {
  go();
}
void test_two(void) { go(); }
int test_code(void) { return 1; }
"""

CPP_TESTS = """\
TEST_F(Fixture, One) {
  go();
}
TEST_CASE("a case", "[tag]") {
  go();
}
MAKE_IT(two) { }
"""

RSPEC = """\
RSpec.describe Job::Queue do
  it 'runs' do
  end
  context 'full' do
    it('waits') { }
  end
end
class JobTest < Minitest::Test
  def test_one; end
  def help; end
end
"""

PHPUNIT = """\
<?php
class JobTest extends TestCase {
  public function testOne() {}
  #[Test]
  public function two() {}
  /** @test */
  public function three() {}
  function help() {}
}
it('runs', function () { go(); });
"""

XUNIT = """\
class A {
  [Fact]
  public void One() {}
  [Theory, InlineData(1)]
  public void Two(int n) {}
  public void Help() {}
}
"""


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        (
            "a.py",
            PYTHON_TESTS,
            ["test_one 1-1", "test_two 2-3", "TestJob.test_it 8-8", "Job.testRun 10-10"],
        ),
        (
            "a.ts",
            JEST,
            [
                "Job v1.2 1-8",
                "Job v1.2.doesn\\'t stop 3-5",
                "Job v1.2.takes ${n} 6-6",
                "Job v1.2.later 7-7",
            ],
        ),
        (
            "a.go",
            GO_TESTS,
            ["TestOne 2-2", "BenchmarkTwo 4-4", "ExampleThree 5-5", "JobSuite.TestFour 6-6"],
        ),
        (
            "a.rs",
            RUST_TESTS,
            ["tests.one 2-3", "tests.two 4-7"],
        ),
        (
            "A.java",
            JUNIT,
            ["A.one 2-2", "A.two 3-3", "B.testThree 6-6"],
        ),
        (
            "a.c",
            C_TESTS,
            ["one 1-3", "test_two 4-4"],
        ),
        (
            "a.cc",
            CPP_TESTS,
            ["Fixture.One 1-3", "a case 4-6"],
        ),
        (
            "a.rb",
            RSPEC,
            [
                "Job::Queue 1-7",
                "Job::Queue.runs 2-3",
                "Job::Queue.full 4-6",
                "Job::Queue.full.waits 5-5",
                "JobTest.test_one 9-9",
            ],
        ),
        (
            "a.php",
            PHPUNIT,
            ["JobTest.testOne 3-3", "JobTest.two 4-5", "JobTest.three 7-7", "runs 10-10"],
        ),
        (
            "a.cs",
            XUNIT,
            ["A.One 2-3", "A.Two 4-5"],
        ),
    ],
)
def test_tests_are_entities_of_their_own_kind(
    outline: Callable[[str, str], list[str]], path: str, text: str, expected: list[str]
) -> None:
    tests = [line for line in outline(path, text) if line.startswith("test ")]
    assert tests == [f"test {line}" for line in expected]


def test_what_a_route_without_a_named_handler_does_is_said_of_the_route(
    mentions: Callable[..., list[str]],
) -> None:
    calls = mentions("a.js", EXPRESS, ReferenceKind.CALL)
    assert "load 2 GET /users/:id" in calls
    assert "get 1" in calls


def test_what_a_handler_does_is_said_of_the_handler(mentions: Callable[..., list[str]]) -> None:
    assert "render 6 login" in mentions("a.py", FLASK, ReferenceKind.CALL)


def test_a_chunk_is_named_after_the_handler_or_else_the_route() -> None:
    handled = extract(b"a.py", FLASK[FLASK.index("@auth") :][:90].encode())
    assert [(chunk.symbol, chunk.kind) for chunk in handled.chunks] == [("login", "function")]
    alone = extract(b"a.js", EXPRESS[: EXPRESS.index("router")].encode())
    assert [(chunk.symbol, chunk.kind) for chunk in alone.chunks] == [("GET /users/:id", "route")]
