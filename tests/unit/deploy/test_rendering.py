"""The manifests as kustomize renders them; skipped where no current kustomize or kubectl is installed."""

import json
import os
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest
import yaml
from lightkube.config.kubeconfig import SERVICE_ACCOUNT

from alerthistory_publisher.adapters.target_secrets import parse_secret
from alerthistory_publisher.adapters.targets_kubernetes import SELECTORS
from alerthistory_publisher.domain.targets import Target
from alerthistory_publisher.settings import PublisherSettings, namespaces_of
from tests.unit.deploy.delivery import KUSTOMIZE, SERVICES, Manifest, loaded_with, settings_class

# kubectl before 1.27 has an older kustomize within, which knows neither "labels" nor folders under "resources".
OLDEST = 5
PUBLISHER = ("Deployment", "alerthistory-publisher")


@cache
def renderer() -> tuple[str, ...]:
    """Return the command that renders a folder; empty when none is installed, or too old a one."""
    if shutil.which("kustomize") and is_current(printed("kustomize", "version")):
        return ("kustomize", "build")
    if shutil.which("kubectl"):
        versions = json.loads(printed("kubectl", "version", "--client", "--output=json"))
        if is_current(versions.get("kustomizeVersion", "")):
            return ("kubectl", "kustomize")
    return ()


def is_current(version: str) -> bool:
    """Whether *version*, such as v5.5.0, is new enough."""
    found = re.search(r"v(\d+)\.", version)
    return found is not None and int(found[1]) >= OLDEST


def printed(*command: str) -> str:
    """Return what a command prints."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def render(folder: str | Path) -> list[Manifest]:
    """Return the manifests of *folder*, in ``deploy/kustomize``; any warning is a failure."""
    if not renderer():
        pytest.skip("needs kustomize 5, or kubectl 1.27 or newer")
    done = subprocess.run([*renderer(), str(KUSTOMIZE / folder)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    return list(yaml.safe_load_all(done.stdout))


@pytest.mark.parametrize("folder", [*(f"services/{service}" for service in SERVICES), "base", "overlays/example"])
def test_every_folder_renders_and_refers_to_what_it_holds(folder: str) -> None:
    manifests = render(folder)
    config_maps = {each["metadata"]["name"] for each in manifests if each["kind"] == "ConfigMap"}
    accounts = {each["metadata"]["name"] for each in manifests if each["kind"] == "ServiceAccount"}
    pods = [each["spec"]["template"]["spec"] for each in manifests if "template" in each.get("spec", {})]
    containers = [each for pod in pods for each in [*pod.get("initContainers", []), *pod["containers"]]]
    assert {source["configMapRef"]["name"] for each in containers for source in each["envFrom"]} == config_maps
    assert {pod["serviceAccountName"] for pod in pods} == accounts


@pytest.mark.parametrize("folder", [*(f"services/{service}" for service in SERVICES), "base"])
def test_everything_is_labelled_as_part_of_alert_history(folder: str) -> None:
    for manifest in render(folder):
        objects = [manifest, manifest["spec"]["template"]] if "template" in manifest.get("spec", {}) else [manifest]
        for each in objects:
            assert each["metadata"]["labels"]["app.kubernetes.io/part-of"] == "alerthistory"


def test_the_example_puts_everything_into_its_namespace() -> None:
    manifests = render("overlays/example")
    (namespace,) = [each for each in manifests if each["kind"] == "Namespace"]
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    others = [each["metadata"]["namespace"] for each in manifests if each["kind"] != "Namespace"]
    assert set(others) == {namespace["metadata"]["name"]}


def test_the_example_pins_every_image_and_names_the_secret_of_the_database() -> None:
    text = yaml.safe_dump_all(render("overlays/example"))
    images = set(re.findall(r"image: (.*)", text))
    assert {image.split(":")[0] for image in images} == {f"alerthistory/{service}" for service in SERVICES}
    assert all(":" in image for image in images)
    assert "alerthistory-postgresql" in text
    assert "alerthistory-database" not in text


@pytest.mark.parametrize("service", SERVICES)
def test_the_program_takes_the_settings_of_the_example(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    own = settings_class(service)
    config_maps = {each["metadata"]["name"]: each for each in render("overlays/example") if each["kind"] == "ConfigMap"}
    (rendered,) = [each for name, each in config_maps.items() if name.startswith(f"alerthistory-{service}-")]
    common, _ = loaded_with(rendered["data"], own, monkeypatch)
    assert common.auth == "none"


def test_the_publisher_of_the_example_reads_its_targets_where_they_are_mounted() -> None:
    manifests = render("overlays/example")
    (publisher,) = [each for each in manifests if (each["kind"], each["metadata"]["name"]) == PUBLISHER]
    mounts = publisher["spec"]["template"]["spec"]["containers"][0]["volumeMounts"]
    (file,) = [
        each["data"]["ALERTHISTORY_PUBLISHER_TARGETS_FILE"]
        for each in manifests
        if each["metadata"]["name"].startswith("alerthistory-publisher-")
    ]
    assert str(Path(file).parent) in {mount["mountPath"] for mount in mounts}


def test_the_publisher_may_read_the_secrets_of_the_targets_and_nothing_else() -> None:
    manifests = {each["kind"]: each for each in render("overlays/targets")}
    assert {each["metadata"].get("namespace") for each in manifests.values()} == {None, "alerthistory-targets"}
    assert manifests["Role"]["rules"] == [
        {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "list", "watch"]}
    ]
    (account,) = manifests["RoleBinding"]["subjects"]
    assert account == {"kind": "ServiceAccount", "name": "alerthistory-publisher", "namespace": "alerthistory"}
    assert manifests["RoleBinding"]["roleRef"]["name"] == manifests["Role"]["metadata"]["name"]


def test_the_example_of_a_target_is_one() -> None:
    (secret,) = [each for each in render("overlays/targets") if each["kind"] == "Secret"]
    key, _, value = SELECTORS[0].partition("=")
    assert secret["metadata"]["labels"][key] == value
    found = parse_secret(
        {name: text.encode() for name, text in secret["stringData"].items()},
        name=secret["metadata"]["name"],
        place="example",
        source="example",
        allow_http=False,
        labels=secret["metadata"]["labels"],
    )
    assert isinstance(found, Target), found
    assert not found.is_enabled


def test_only_the_container_that_asks_the_cluster_has_a_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = {
        "namespace": "alerthistory",
        "resources": [os.path.relpath(KUSTOMIZE / "services/publisher", tmp_path.resolve())],
        "components": [os.path.relpath(KUSTOMIZE / "components/kubernetes-targets", tmp_path.resolve())],
    }
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(shown))
    manifests = render(tmp_path)
    (pod,) = [each["spec"]["template"]["spec"] for each in manifests if each["kind"] == "Deployment"]
    assert pod["automountServiceAccountToken"] is False
    volumes = [each["name"] for each in pod["volumes"] if "projected" in each]
    mounts = {each["name"]: each["mountPath"] for each in pod["containers"][0]["volumeMounts"]}
    assert [mounts[name] for name in volumes] == [str(Path(SERVICE_ACCOUNT))]
    assert not {mount["name"] for each in pod["initContainers"] for mount in each["volumeMounts"]} & set(volumes)
    (config_map,) = [each for each in manifests if each["kind"] == "ConfigMap"]
    _, loaded = loaded_with(config_map["data"], PublisherSettings, monkeypatch)
    assert isinstance(loaded, PublisherSettings)
    (namespace,) = [each["metadata"]["name"] for each in render("overlays/targets") if each["kind"] == "Namespace"]
    assert namespaces_of(loaded.kubernetes_namespaces) == (namespace,)
