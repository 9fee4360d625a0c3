"""The image, the compose file and the manifests hold what they promise, as far as reading tells."""

import re
import subprocess
import sys
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from service.app import create_app
from service.holder import Holder
from service.settings import Settings
from training.timetable import USUAL, JobSettings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
HADOLINT = Path(sys.executable).with_name("hadolint")
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
MANIFESTS = [
    (path, told)
    for path in sorted((DEPLOY / "kubernetes").rglob("*.yaml"))
    for told in yaml.safe_load_all(path.read_text())
]
PODS = [
    (f"{told['kind']} {told['metadata']['name']}", template["spec"])
    for _, told in MANIFESTS
    for template in (
        told.get("spec", {}).get("template")
        or told.get("spec", {}).get("jobTemplate", {}).get("spec", {}).get("template"),
    )
    if template
]
OURS = {name: s for name, s in COMPOSE["services"].items() if s["image"].startswith("recsys")}


def test_hadolint_has_nothing_to_say_of_the_dockerfile():
    done = subprocess.run(
        [HADOLINT, DEPLOY / "Dockerfile"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_the_image_runs_as_a_number_and_only_pinned_packages_get_in():
    text = (DEPLOY / "Dockerfile").read_text()
    last = text.rpartition("\nFROM ")[2]
    assert re.search(r"^USER [1-9]\d+:[1-9]\d+$", last, re.M)
    assert "HEALTHCHECK" in last
    installs = re.findall(r"install (?!-d|--yes)(.+)$", text, re.M)
    assert [("--require-hashes" in i or "--no-deps" in i) for i in installs] == [True, True]


def taken(name: str) -> bool:
    """Say whether `COPY . .` takes a file: the last pattern of .dockerignore that fits decides."""
    told = True
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        pattern = line.removeprefix("!")
        if not pattern or pattern.startswith("#"):
            continue
        shape = re.escape(pattern).replace(r"\*\*/", "(?:.*/)?").replace(r"\*", "[^/]*")
        shape = shape.replace(r"\[", "[").replace(r"\]", "]")
        if re.fullmatch(f"{shape}(?:/.*)?", name):  # the file, or a directory that it lies in
            told = line.startswith("!")
    return told


def copied() -> set[str]:
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\n")
    secrets = [
        *(
            "var/keyring.json",
            "var/recsys.db",
            "deploy/secrets/store_password",
            ".env",
            "keyring.json",
        ),
        *("data/keyring.json", "data/recsys.db", "cli/.env", ".git/config", ".venv/pyvenv.cfg"),
        *("recsys.toml", "requirements-test.lock", "service/__pycache__/app.cpython-311.pyc"),
    ]
    return {name for name in [*filter(None, tracked), *secrets] if taken(name)}


def test_the_image_takes_the_program_and_no_secret():
    found = copied()
    assert {name.partition("/")[0] for name in found} == {
        *("LICENSE", "README.md", "pyproject.toml", "requirements.lock"),
        *("cli", "data", "recsys", "service", "training"),
    }
    assert not [
        name for name in found if re.search(r"keyring\.json|\.db$|\.env|secrets|\.pyc", name)
    ]
    assert {"recsys/tone.toml", "data/keyring.py", "service/static/widget.js"} <= found


@pytest.mark.parametrize("name", COMPOSE["services"])
def test_each_service_of_the_compose_file_is_shut_in(name):
    service = COMPOSE["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "memory" in service["deploy"]["resources"]["limits"]
    assert service["logging"]["options"]["max-size"]
    assert service.get("user", "") != "root"
    assert "privileged" not in service
    assert service["restart"] == ("no" if name == "migrate" else "unless-stopped")
    assert "healthcheck" in service
    assert {"inside", "outside"} >= set(service["networks"])


def test_what_the_compose_file_names_exists():
    for name, service in COMPOSE["services"].items():
        for secret in service.get("secrets", ()):
            assert secret in COMPOSE["secrets"], name
        for volume in service.get("volumes", ()):
            source = volume.partition(":")[0]
            assert source in COMPOSE["volumes"] or (DEPLOY / source).is_file(), (name, source)
        for other, how in service.get("depends_on", {}).items():
            asked = COMPOSE["services"][other]
            if how["condition"] == "service_healthy":
                assert asked["healthcheck"].get("disable") is not True
    assert (ROOT / COMPOSE["services"]["migrate"]["build"]["dockerfile"]).is_file()


def test_no_secret_stands_in_the_compose_file_and_only_the_proxy_is_reached():
    for service in COMPOSE["services"].values():
        for key, value in service.get("environment", {}).items():
            assert not re.search("PASSWORD|SECRET|TOKEN", key) or key.endswith("_FILE"), key
            assert "//" not in str(value)
    assert [name for name, service in COMPOSE["services"].items() if "ports" in service] == [
        "nginx"
    ]
    assert COMPOSE["networks"]["inside"]["internal"] is True


def test_the_paths_of_the_compose_file_are_mounted():
    for service in OURS.values():
        inside = {volume.split(":")[1] for volume in service["volumes"]} | {"/run/secrets"}
        for name, path in service["environment"].items():
            assert path in inside or str(Path(path).parent) in inside, (name, path)


def test_services_are_stopped_with_time_to_finish():
    from service import server

    grace = int(re.findall(r'"graceful_timeout": (\d+)', Path(server.__file__).read_text())[0])
    assert int(COMPOSE["services"]["service-1"]["stop_grace_period"].rstrip("s")) > grace
    (spec,) = (spec for name, spec in PODS if name == "Deployment recsys")
    (container,) = spec["containers"]
    drain = int(container["args"][container["args"].index("--drain") + 1])
    assert drain > 0  # until nobody sends requests any more
    assert spec["terminationGracePeriodSeconds"] > grace + drain


@pytest.mark.parametrize(
    ("path", "told"), MANIFESTS, ids=[f"{p.name} {t['kind']}" for p, t in MANIFESTS]
)
def test_each_manifest_is_what_kubernetes_accepts(path, told):
    if told["kind"] == "Kustomization":
        assert {name for name in told["resources"] if not (path.parent / name).is_file()} == set()
        for made in told["configMapGenerator"]:
            assert {name for name in made["files"] if not (path.parent / name).is_file()} == set()
        return
    kubernetes_validate.validate(told, kubernetes_validate.latest_version(), strict=True)


@pytest.mark.parametrize(("name", "spec"), PODS, ids=[name for name, _ in PODS])
def test_each_pod_keeps_to_the_restricted_standard(name, spec):
    """As https://kubernetes.io/docs/concepts/security/pod-security-standards/ has it."""
    outer = spec["securityContext"]
    assert outer["runAsNonRoot"] is True
    assert outer["runAsUser"] == 10001
    assert outer["seccompProfile"] == {"type": "RuntimeDefault"}
    assert spec["automountServiceAccountToken"] is False
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec)
    mounted = {volume["name"] for volume in spec["volumes"]}
    for container in spec["containers"]:
        inner = container["securityContext"]
        assert inner["allowPrivilegeEscalation"] is False
        assert inner["readOnlyRootFilesystem"] is True
        assert inner["capabilities"] == {"drop": ["ALL"]}
        assert set(container["resources"]) == {"requests", "limits"}
        assert {mount["name"] for mount in container["volumeMounts"]} == mounted
        places = [mount["mountPath"] for mount in container["volumeMounts"]]
        for variable in container["env"]:
            assert str(Path(variable["value"]).parent) in places


def test_every_secret_and_claim_that_a_pod_wants_is_told_of():
    known = {
        kind: {t["metadata"]["name"] for _, t in MANIFESTS if t["kind"] == kind}
        for kind in ("Secret", "PersistentVolumeClaim", "ServiceAccount")
    }
    for name, spec in PODS:
        assert spec["serviceAccountName"] in known["ServiceAccount"]
        for volume in spec["volumes"]:
            if "secret" in volume:
                assert volume["secret"]["secretName"] in known["Secret"], name
            if "persistentVolumeClaim" in volume:
                claim = volume["persistentVolumeClaim"]["claimName"]
                assert claim in known["PersistentVolumeClaim"], name


def test_the_ingress_leads_to_every_page_but_the_metrics(tmp_path):
    settings = Settings(tmp_path / "b", f"sqlite:///{tmp_path / 'r.db'}", tmp_path / "k.json")
    app = create_app(settings, Holder(settings))
    there = {f"/{rule.rule.split('/')[1]}" for rule in app.url_map.iter_rules()}
    (ingress,) = (told for _, told in MANIFESTS if told["kind"] == "Ingress")
    led = {path["path"] for rule in ingress["spec"]["rules"] for path in rule["http"]["paths"]}
    assert led == there - {"/metrics"}


def test_one_job_of_a_kind_at_a_time_when_the_schedule_would_run_it():
    jobs = [told for _, told in MANIFESTS if told["kind"] == "CronJob"]
    assert {told["spec"]["concurrencyPolicy"] for told in jobs} == {"Forbid"}
    assert {told["spec"]["timeZone"] for told in jobs} == {"Etc/UTC"}
    due = {told["metadata"]["name"].removeprefix("recsys-"): told["spec"] for told in jobs}
    assert {job: spec["schedule"] for job, spec in due.items()} == USUAL
    limits = {spec["jobTemplate"]["spec"]["activeDeadlineSeconds"] for spec in due.values()}
    assert limits == {JobSettings().timeout}


def test_a_manifest_with_a_word_that_kubernetes_does_not_know_is_found():
    _, told = next(one for one in MANIFESTS if one[1]["kind"] == "Deployment")
    wrong = yaml.safe_load(yaml.safe_dump(told))
    wrong["spec"]["replica"] = 2
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, kubernetes_validate.latest_version(), strict=True)
