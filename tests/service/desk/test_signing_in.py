"""Who may sit at the desk, for how long, and what nobody else can do in their name."""

from data.scope import Scope


def test_a_key_with_a_role_opens_the_desk(sit):
    desk = sit(Scope.VIEWER)
    page = desk.get("/desk/")
    assert page.status_code == 200, page.text
    assert "viewer&#39;s" in page.text
