"""Settings: precedence, errors that name the setting, and a page that lists each of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tollway.app.observing import observing_options
from tollway.app.payments import check_options, open_provider
from tollway.app.redis import counting, gateway_environment
from tollway.app.settings import Settings, load_settings
from tollway.app.traffic import traffic_options
from tollway.kernel.clock import SystemClock
from tollway.kernel.errors import InvalidInput

pytestmark = pytest.mark.one_database

_PAGE = Path(__file__).parents[3] / "docs" / "seller" / "settings.md"


def test_every_setting_is_documented_and_nothing_else() -> None:
    documented = re.findall(r"^\| `(TOLLWAY_[A-Z0-9_]+)`", _PAGE.read_text(), re.MULTILINE)
    assert documented == [f"TOLLWAY_{name.upper()}" for name in Settings.model_fields]


def test_a_flag_wins_over_the_environment_and_that_over_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tollway.toml").write_text('proxy_listen = "127.0.0.1:1"\nadmin_listen = "127.0.0.1:1"\n')
    monkeypatch.setenv("TOLLWAY_ADMIN_LISTEN", "127.0.0.1:2")
    monkeypatch.setenv("TOLLWAY_STATUS_LISTEN", "127.0.0.1:2")
    settings = load_settings(status_listen="127.0.0.1:3", data_dir=None)
    assert settings.proxy_listen == "127.0.0.1:1"
    assert settings.admin_listen == "127.0.0.1:2"
    assert settings.status_listen == "127.0.0.1:3"


@pytest.mark.parametrize("value", ["8000", ":8000", "localhost:", "localhost:99999", "localhost:http"])
def test_a_listener_that_cannot_be_is_named(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOLLWAY_PROXY_LISTEN", value)
    with pytest.raises(InvalidInput, match="TOLLWAY_PROXY_LISTEN: write host:port"):
        load_settings()


def test_an_unknown_name_in_the_file_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tollway.toml").write_text('proxy_listn = "127.0.0.1:1"\n')
    with pytest.raises(InvalidInput, match="TOLLWAY_PROXY_LISTN"):
        load_settings()


def test_a_child_gets_the_same_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settings = Settings(
        data_dir=tmp_path, admin_token="t" * 20, gateway_workers=3, trusted_ips="::1,10.0.0.0/8"
    )
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    assert load_settings() == settings


def test_trusted_proxies_are_blocks_of_addresses(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tollway.toml").write_text('trusted_ips = ["10.1.2.3/8", "::1"]\n')
    settings = load_settings()
    assert settings.trusted_ips == "10.0.0.0/8,::1/128"
    told = {"ips": ["10.0.0.0/8", "::1/128"], "real_ip_header": "X-Real-IP", "real_ip_recursive": False}
    assert traffic_options(settings)["trust"] == told
    assert traffic_options(Settings(trusted_ips=""))["trust"]["ips"] == []
    monkeypatch.setenv("TOLLWAY_TRUSTED_IPS", "10.0.0.0/8 192.0.2.1")
    with pytest.raises(InvalidInput, match="TOLLWAY_TRUSTED_IPS: write addresses or blocks"):
        load_settings()


def test_the_access_log_is_a_file_or_standard_output(tmp_path: Path) -> None:
    assert observing_options(Settings())["access_log"] is None
    told = {"path": None, "format": "json", "secret_parameters": []}
    assert observing_options(Settings(access_log="stdout"))["access_log"] == told
    file = str(tmp_path / "access.log")
    settings = load_settings(
        access_log=file, access_log_format="combined", secret_parameters="voucher, e-mail"
    )
    told = {"path": file, "format": "combined", "secret_parameters": ["voucher", "e-mail"]}
    assert observing_options(settings)["access_log"] == told
    with pytest.raises(InvalidInput, match="TOLLWAY_ACCESS_LOG: write off, stdout, or a file"):
        load_settings(access_log=f"{tmp_path}/")
    with pytest.raises(InvalidInput, match="TOLLWAY_SECRET_PARAMETERS: write names"):
        load_settings(secret_parameters="a b")


def test_traces_go_where_opentelemetrys_own_settings_say() -> None:
    assert observing_options(Settings(), {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://a:1"})["tracing"] is None
    told = observing_options(Settings(trace_sample=0.25, secret_parameters="pin"), {})["tracing"]
    assert told["endpoint"] == "http://localhost:4318/v1/traces"
    assert (told["service_name"], told["sample_per_million"]) == ("tollway-gateway", 250_000)
    assert (told["continue"], told["headers"], told["secret_parameters"]) == ("trusted", [], ["pin"])
    environment = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "https://collector/base/",
        "OTEL_EXPORTER_OTLP_HEADERS": "api-key=a%3Db, x = 1",
        "OTEL_SERVICE_NAME": "shop",
    }
    told = observing_options(Settings(trace_sample=1, trace_continue="always"), environment)["tracing"]
    assert told["endpoint"] == "https://collector/base/v1/traces"
    assert told["headers"] == [("api-key", "a=b"), ("x", "1")]
    assert (told["service_name"], told["continue"]) == ("shop", "always")
    environment["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"] = "http://here/as/it/is"
    told = observing_options(Settings(trace_sample=1), environment)["tracing"]
    assert told["endpoint"] == "http://here/as/it/is"
    with pytest.raises(InvalidInput, match="OTEL_EXPORTER_OTLP_HEADERS: a part without ="):
        observing_options(Settings(trace_sample=1), {"OTEL_EXPORTER_OTLP_HEADERS": "S3CRET"})


def test_dns_servers_are_addresses_with_ports() -> None:
    told = Settings(dns_resolver="10.0.0.2, ::1,[::1]:5353,127.0.0.1:54")
    servers = ["10.0.0.2:53", "[::1]:53", "[::1]:5353", "127.0.0.1:54"]
    assert traffic_options(told)["names"] == {"servers": servers}
    for wrong in ("dns.example", "10.0.0.2:0", "[::1]:x", "10.0.0.2:70000"):
        with pytest.raises(ValueError, match="dns_resolver"):
            Settings(dns_resolver=wrong)


def test_what_a_request_may_take_reaches_the_gateway() -> None:
    usual = traffic_options(Settings())
    assert (usual["timeouts"]["request_ms"], usual["limits"]["body_bytes"]) == (None, None)
    options = traffic_options(Settings(request_timeout_seconds=1.5, max_body_bytes=7, idle_timeout_seconds=2))
    assert (options["timeouts"]["request_ms"], options["timeouts"]["client_idle_ms"]) == (1500, 2000)
    assert options["limits"]["body_bytes"] == 7


def test_secrets_are_not_shown() -> None:
    settings = Settings(secret_key="s" * 20, admin_token="t" * 20)
    assert "sss" not in repr(settings)
    assert "rrr" not in repr(Settings(redis_url="redis://:rrr@localhost/1"))
    assert "ttt" not in repr(settings)


@pytest.mark.parametrize("value", ["", "off"])
def test_a_site_can_be_switched_off(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOLLWAY_PORTAL_LISTEN", value)
    assert load_settings().portal_listen == "off"


@pytest.mark.parametrize(
    "value",
    ["example.com", "ftp://example.com", "https://", "https://example.com/shop", "https://a.b/?x", "//a.b"],
)
def test_a_public_address_is_scheme_and_host_alone(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOLLWAY_PORTAL_URL", value)
    with pytest.raises(InvalidInput, match="TOLLWAY_PORTAL_URL: write scheme and host alone"):
        load_settings()


@pytest.mark.parametrize(
    ("listen", "origin"),
    [
        ("0.0.0.0:8003", "http://localhost:8003"),
        ("[::1]:8003", "http://localhost:8003"),
        ("10.1.2.3:80", "http://10.1.2.3:80"),
    ],
)
def test_links_in_mails_begin_with_an_address_of_ours(listen: str, origin: str) -> None:
    assert Settings(portal_listen=listen).portal_origin == origin
    assert (
        Settings(portal_listen=listen, portal_url="https://a.example/").portal_origin == "https://a.example"
    )


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        (
            {"payment_provider": "cash"},
            "TOLLWAY_PAYMENT_PROVIDER: there is no 'cash'; write one of: sandbox, stripe",
        ),
        ({"payment_provider": "stripe"}, "TOLLWAY_STRIPE_SECRET_KEY"),
        (
            {
                "payment_provider": "stripe",
                "stripe_secret_key": "sk_test_1",
                "stripe_api_base": "http://a.test",
            },
            "TOLLWAY_STRIPE_API_BASE",
        ),
        ({"payment_usage_export": True}, "TOLLWAY_PAYMENT_USAGE_EXPORT"),
        ({"payment_item_mirror": True}, "TOLLWAY_PAYMENT_ITEM_MIRROR"),
    ],
)
def test_payments_that_could_not_start_are_refused(
    settings: dict[str, object], named: str, tmp_path: Path
) -> None:
    with pytest.raises(InvalidInput, match=named):
        check_options(Settings(data_dir=tmp_path, **settings))  # type: ignore[arg-type]
    check_options(Settings(data_dir=tmp_path))


def test_a_key_for_testing_moves_no_money(tmp_path: Path) -> None:
    for key, moves in (("sk_test_1", False), ("rk_test_1", False), ("sk_live_1", True), ("odd", True)):
        settings = Settings(data_dir=tmp_path, payment_provider="stripe", stripe_secret_key=key)
        provider = open_provider(settings, SystemClock())
        assert provider.moves_real_money is moves
        assert key not in repr(settings) + repr(provider)


@pytest.mark.parametrize(
    "value",
    ["localhost", "redis://", "redis://h:0", "redis://h:port", "redis://h/x", "http://h", "rediss://h"],
)
def test_a_redis_that_cannot_be_reached_is_refused(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOLLWAY_REDIS_URL", value)
    with pytest.raises(InvalidInput, match=r"TOLLWAY_REDIS_URL: .*write redis://"):
        load_settings()


def test_a_password_of_redis_is_referred_to_and_handed_to_gateways_alone() -> None:
    settings = Settings(redis_url="redis://us%40er:p%40ss@[::1]/2")
    redis = counting(settings)["redis"]
    assert redis == {
        "host": "::1",
        "port": 6379,
        "database": 2,
        "timeout": 500,
        "username": "us@er",
        "password": "{vault://env/tollway-redis-password}",
    }
    assert gateway_environment(settings) == {"TOLLWAY_REDIS_PASSWORD": "p@ss"}
    assert counting(Settings(redis_url="redis://host:1"))["redis"]["port"] == 1
    assert gateway_environment(Settings()) == {}
    assert counting(Settings()) == {"policy": "local"}
