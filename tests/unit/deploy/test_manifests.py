"""The manifests, without a cluster: safe, probed, and with settings that their program knows."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from alerthistory_common.addresses import split_address
from alerthistory_common.exposure import check_exposure
from alerthistory_common.settings import CommonSettings, Settings, SettingsError, load
from alerthistory_ingest.settings import IngestSettings
from tests.unit.deploy.delivery import (
    KUSTOMIZE,
    ROOT,
    SERVICES,
    WITH_DATABASE,
    Manifest,
    dockerfile,
    folder,
    loaded_with,
    read_manifests,
    read_variables,
    service_manifests,
    set_only,
    settings_class,
)

KUSTOMIZATIONS = sorted(KUSTOMIZE.rglob("kustomization.yaml"))


@pytest.mark.parametrize("place", KUSTOMIZATIONS, ids=lambda place: str(place.parent.relative_to(KUSTOMIZE)))
def test_every_file_that_a_kustomization_names_exists_and_every_file_is_named(place: Path) -> None:
    named = set(named_files(place))
    assert all(each.exists() for each in named), named
    assert {each for each in place.parent.iterdir() if each.is_file()} == {each for each in named if each.is_file()} | {
        place
    }


def test_the_base_holds_every_service_and_every_service_has_its_manifests() -> None:
    (base,) = read_manifests(KUSTOMIZE / "base/kustomization.yaml")
    assert sorted(base["resources"]) == sorted(f"../services/{service}" for service in SERVICES)
    kept = {each.name for each in (ROOT / "services").iterdir() if (each / "Dockerfile").exists()}
    assert {*kept, "gateway"} == set(SERVICES)


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_is_deployable_alone(service: str) -> None:
    kinds = sorted(each["kind"] for each in service_manifests(service))
    assert kinds == sorted([_workload(service), "PodDisruptionBudget", "Service", "ServiceAccount"])
    assert {each["metadata"]["name"] for each in service_manifests(service)} == {f"alerthistory-{service}"}


@pytest.mark.parametrize("service", SERVICES)
def test_all_selectors_select_the_pods(service: str) -> None:
    labels = {"app.kubernetes.io/name": f"alerthistory-{service}"}
    spec = only_kind(_workload(service), service)["spec"]
    assert spec["template"]["metadata"]["labels"] == spec["selector"]["matchLabels"] == labels
    assert only_kind("Service", service)["spec"]["selector"] == labels
    assert only_kind("PodDisruptionBudget", service)["spec"]["selector"]["matchLabels"] == labels
    spread = pod(service)["topologySpreadConstraints"]
    assert [each["labelSelector"]["matchLabels"] for each in spread] == [labels, labels]


@pytest.mark.parametrize("service", SERVICES)
def test_pods_fit_the_restricted_profile(service: str) -> None:
    security = pod(service)["securityContext"]
    assert security["runAsNonRoot"] is True
    assert f"{security['runAsUser']}:{security['runAsGroup']}" == image_user(service)
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in containers(service):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


@pytest.mark.parametrize("service", SERVICES)
def test_pods_hold_no_token_of_the_cluster(service: str) -> None:
    assert pod(service)["automountServiceAccountToken"] is False
    assert only_kind("ServiceAccount", service)["automountServiceAccountToken"] is False
    assert pod(service)["serviceAccountName"] == f"alerthistory-{service}"


@pytest.mark.parametrize("service", SERVICES)
def test_every_container_says_what_it_needs(service: str) -> None:
    for container in containers(service):
        assert set(container["resources"]["requests"]) == {"cpu", "memory"}
        assert "memory" in container["resources"]["limits"]


@pytest.mark.parametrize("service", SERVICES)
def test_liveness_depends_on_nothing_else_and_readiness_asks_the_program(service: str) -> None:
    container = main_container(service)
    ports = {each["name"]: each["containerPort"] for each in container["ports"]}
    if service == "gateway":
        assert container["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "http"}
        # Webhooks are taken while the database is away.
        assert container["readinessProbe"]["httpGet"] == {"path": "/healthz", "port": "http"}
    else:
        assert container["livenessProbe"]["tcpSocket"] == {"port": "grpc"}
        assert container["readinessProbe"]["grpc"] == {"port": ports["grpc"]}
    assert {"httpGet", "tcpSocket"} & container["startupProbe"].keys()


def test_the_disk_of_ingest_has_room_for_its_spool() -> None:
    (claim,) = only_kind("StatefulSet", "ingest")["spec"]["volumeClaimTemplates"]
    storage = re.fullmatch(r"(\d+)Gi", claim["spec"]["resources"]["requests"]["storage"])
    assert storage
    assert int(storage[1]) * 2**30 > IngestSettings().spool_max_bytes
    mounts = {each["name"]: each["mountPath"] for each in main_container("ingest")["volumeMounts"]}
    assert mounts[claim["metadata"]["name"]] == "/data"


@pytest.mark.parametrize("service", SERVICES)
def test_grpc_services_are_headless_so_that_clients_balance(service: str) -> None:
    spec = only_kind("Service", service)["spec"]
    assert (spec.get("clusterIP") == "None") == (service != "gateway")
    ports = {each["name"]: each["containerPort"] for each in main_container(service)["ports"]}
    assert {each["name"] for each in spec["ports"]} == set(ports)
    assert all(each["targetPort"] == each["name"] for each in spec["ports"])
    # A headless Service does not translate ports: clients connect to the pods themselves.
    assert service == "gateway" or {each["name"]: each["port"] for each in spec["ports"]} == ports


@pytest.mark.parametrize("service", WITH_DATABASE)
def test_pods_migrate_with_the_image_and_the_settings_that_they_serve_with(service: str) -> None:
    (migrate,) = pod(service)["initContainers"]
    main = main_container(service)
    assert migrate["args"] == ["migrate"]
    assert (migrate["image"], migrate["envFrom"]) == (main["image"], main["envFrom"])
    # What only serving needs, such as an API key, migrating is not given.
    needed = [each for each in main["env"] if not each["valueFrom"]["secretKeyRef"].get("optional")]
    assert migrate["env"] == needed


def test_services_without_a_database_know_no_database() -> None:
    for service in set(SERVICES) - set(WITH_DATABASE):
        assert "initContainers" not in pod(service)
        assert "env" not in main_container(service)


@pytest.mark.parametrize("service", SERVICES)
def test_every_volume_mounted_is_there(service: str) -> None:
    claims = only_kind(_workload(service), service)["spec"].get("volumeClaimTemplates", [])
    volumes = {each["name"] for each in pod(service)["volumes"]} | {each["metadata"]["name"] for each in claims}
    assert {mount["name"] for each in containers(service) for mount in each["volumeMounts"]} == volumes


@pytest.mark.parametrize("service", SERVICES)
def test_kubernetes_adds_no_variables_of_its_own(service: str) -> None:
    assert pod(service)["enableServiceLinks"] is False


def test_the_variables_that_kubernetes_would_add_stop_a_program(monkeypatch: pytest.MonkeyPatch) -> None:
    own = settings_class("ingest")
    set_only({**variables("ingest"), "ALERTHISTORY_INGEST_PORT": "tcp://10.0.0.1:7051"}, monkeypatch)
    with pytest.raises(SettingsError, match="ALERTHISTORY_INGEST_PORT"):
        load(CommonSettings, own)


@pytest.mark.parametrize("service", SERVICES)
def test_the_program_takes_its_settings(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    own = settings_class(service)
    common, loaded = loaded_with(variables(service), own, monkeypatch)
    check_exposure(listeners(loaded), auth=common.auth)


@pytest.mark.parametrize("service", SERVICES)
def test_ports_are_the_defaults_ports_and_those_of_the_image(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    own = settings_class(service)
    _, loaded = loaded_with(variables(service), own, monkeypatch)
    defaults = {name: split_address(address)[1] for name, address in listeners(own.model_construct()).items()}
    assert {name: split_address(address)[1] for name, address in listeners(loaded).items()} == defaults
    opened = {f"{each['name']}_listen": each["containerPort"] for each in main_container(service)["ports"]}
    assert opened.items() <= defaults.items()
    (exposed,) = [each.text for each in dockerfile(service) if each.name == "EXPOSE"]
    assert sorted(int(port) for port in exposed.split()) == sorted(defaults.values())


@pytest.mark.parametrize("service", SERVICES)
def test_every_target_is_a_headless_service_of_ours(service: str) -> None:
    for name, value in variables(service).items():
        if name.endswith("_TARGET"):
            host, port = split_address(value.removeprefix("dns:///"))
            callee = host.removeprefix("alerthistory-")
            assert name == f"ALERTHISTORY_{service.upper()}_{callee.upper()}_TARGET"
            assert {"name": "grpc", "port": port}.items() <= only_kind("Service", callee)["spec"]["ports"][0].items()


@pytest.mark.parametrize("service", SERVICES)
def test_every_target_is_set(service: str) -> None:
    own = settings_class(service)
    targets = {own.variable(field) for field in own.model_fields if field.endswith("_target")}
    assert targets <= set(variables(service)), "the default target is another process on the same machine"


@pytest.mark.parametrize("service", SERVICES)
def test_a_pod_is_not_killed_while_it_drains(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    set_only({name: value for name, value in variables(service).items() if "DRAIN" in name}, monkeypatch)
    (common,) = load(CommonSettings)
    assert common.drain_delay_s == 5
    # First the work in hand, then the open calls, may take the grace each; the rest is for closing.
    assert pod(service)["terminationGracePeriodSeconds"] >= common.drain_delay_s + 2 * common.drain_grace_s + 5


@pytest.mark.parametrize("service", SERVICES)
def test_compose_gives_the_program_settings_that_it_takes(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    own = settings_class(service)
    written = compose()["services"][service]["environment"]
    plain = {name: "" if value.startswith("${") else value for name, value in written.items()}
    common, loaded = loaded_with(plain, own, monkeypatch)
    check_exposure(listeners(loaded), auth=common.auth)
    targets = {own.variable(field) for field in own.model_fields if field.endswith("_target")}
    assert targets <= set(plain)


def test_compose_builds_every_service_and_publishes_on_this_machine_only() -> None:
    services = compose()["services"]
    for service in SERVICES:
        assert services[service]["build"]["dockerfile"] == str(folder(service) / "Dockerfile")
    migrated = {name.removesuffix("-migrate") for name in services if name.endswith("-migrate")}
    assert migrated == set(WITH_DATABASE)
    published = [port for each in services.values() for port in each.get("ports", [])]
    assert all(port.startswith("127.0.0.1:") for port in published)


def named_files(place: Path) -> Iterator[Path]:
    """Yield the files and folders that a kustomization names."""
    (kustomization,) = read_manifests(place)
    names = [*kustomization.get("resources", []), *(each["path"] for each in kustomization.get("patches", []))]
    for generator in kustomization.get("configMapGenerator", []):
        names += generator.get("envs", [])
    for name in names:
        yield (place.parent / name).resolve()


def only_kind(kind: str, service: str) -> Manifest:
    """Return the one manifest of *kind* of *service*."""
    (found,) = [each for each in service_manifests(service) if each["kind"] == kind]
    return found


def _workload(service: str) -> str:
    """Return the kind that runs the pods: those of ingest keep their disks."""
    return "StatefulSet" if service == "ingest" else "Deployment"


def pod(service: str) -> dict[str, Any]:
    """Return the pod of *service*."""
    found: dict[str, Any] = only_kind(_workload(service), service)["spec"]["template"]["spec"]
    return found


def containers(service: str) -> list[dict[str, Any]]:
    """Return all containers of *service*."""
    return [*pod(service).get("initContainers", []), *pod(service)["containers"]]


def main_container(service: str) -> dict[str, Any]:
    """Return the container that serves."""
    (found,) = pod(service)["containers"]
    assert isinstance(found, dict)
    return found


def image_user(service: str) -> str:
    """Return the user of the image of *service*."""
    (user,) = [each.text for each in dockerfile(service) if each.name == "USER"]
    return user


def variables(service: str) -> dict[str, str]:
    """Return the environment of *service*; what comes from a Secret has a made-up value."""
    secret = {each["name"]: "postgresql://user:password@host/name" for each in main_container(service).get("env", [])}
    return read_variables(KUSTOMIZE / "services" / service / "settings.env") | secret


def compose() -> dict[str, Any]:
    """Return the compose file."""
    found: dict[str, Any] = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text())
    return found


def listeners(loaded: Settings) -> dict[str, str]:
    """Return the addresses that a service listens on; that of the gateway's HTTP is two settings."""
    values = {name: getattr(loaded, name) for name in type(loaded).model_fields}
    found = {name: str(value) for name, value in values.items() if name.endswith("_listen")}
    return found | ({"http_listen": f"{values['host']}:{values['port']}"} if "host" in values else {})
