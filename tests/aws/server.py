"""Amazon's services as scripts/aws needs them, on loopback: moto's server behind a layer of ours.

The layer
- keeps tests apart: an access key `AKIATEST<12 digits>` is the account of these digits, and each test has its own;
- writes down every call, answers what moto does not know (prices, the image's parameter) and injects the faults that a
  test asks for;
- holds to what Amazon does and moto does not: client tokens, the size of user data, spot requests, groups in use;
- plays the instances: runs an instance's user data as cloud-init would, in a folder, with the role's own credentials, which
  are held to the role's policy, until the instance is terminated.

Control, in JSON: PUT /_control/ACCOUNT (settings, see `Account`), GET /_control/ACCOUNT/{calls,instances,left}, POST
/_control/ACCOUNT/{terminate,timer}?id=I.

`server.py FOLDER` prints one line, {"port": P, "image": A, "aws": PATH}, when all of it is there; the last is the client to
call (client.py). It ends with its standard input, so that it never outlives the tests.
"""

import base64
import fnmatch
import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, parse_qsl, unquote

LOOPBACK = "127.0.0.1"
IMAGE = "ami-1e749f67"  # One of moto's own: Ubuntu, its root at /dev/sda1.
IMAGE_PARAMETER = "/aws/service/deeplearning/ami/x86_64/base-oss-nvidia-driver-gpu-ubuntu-24.04/latest/ami-id"
MOST_USER_DATA = 16384  # bytes, before base64: EC2's limit


# The metadata service, in a process of its own that loads nothing: the program gives it 200 ms for everything.


class Metadata(BaseHTTPRequestHandler):
    """Answers /INSTANCE/latest/... from the file INSTANCE.json, to who fetched a token first."""

    protocol_version = "HTTP/1.1"
    folder = Path()

    def do_PUT(self):
        asks = self.path.endswith("/latest/api/token") and self.headers.get("X-aws-ec2-metadata-token-ttl-seconds")
        self.answer(*(200, "token-of-the-test") if asks else (400, ""))

    def do_GET(self):
        if self.headers.get("X-aws-ec2-metadata-token") != "token-of-the-test":
            return self.answer(401, "")
        instance, _, path = self.path.lstrip("/").partition("/latest/meta-data/")
        try:
            facts = json.loads((self.folder / f"{instance}.json").read_text())
        except OSError:
            return self.answer(404, "")
        self.answer(*(200, facts[path]) if path in facts else (404, ""))

    def answer(self, status: int, text: str):
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def serve_metadata(folder: str):
    Metadata.folder = Path(folder)
    server = ThreadingHTTPServer((LOOPBACK, 0), Metadata)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)
    sys.stdin.read()


class Account:
    """What a test asked for, and what happened.

    Settings: `refuse`, a list of {code, message, status} with what it is about ({service, action, region}, and for RunInstances
    {type, zone, spot}; what is not given is any), the first `after` of these calls served, and the next `times` refused;
    `terminating_s`, how long an instance takes to go; `prices`, {TYPE: USD or null}; `play`, the types whose user data is run,
    in `folder`, with `environment`; `no_default_vpc`, a region.
    """

    def __init__(self, number: str):
        self.number = number
        self.calls: list[dict] = []
        self.instances: dict[str, dict] = {}
        self.tokens: dict[str, tuple] = {}
        self.settings: dict = {}

    def refusal(self, call: dict):
        for rule in self.settings.get("refuse", []):
            if any(rule[key] != call.get(key) for key in rule.keys() & MATCHED):
                continue
            if rule.get("after", 0) > 0:
                rule["after"] -= 1
                continue
            if rule.get("times", 1) == 0:
                continue
            if "times" in rule:
                rule["times"] -= 1
            return rule
        return None


MATCHED = {"service", "action", "type", "zone", "spot", "region"}


class Layer:
    """The WSGI application around moto's."""

    def __init__(self, folder: Path, metadata: str):
        from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

        self.moto = DomainDispatcherApplication(create_backend_app)
        self.folder = folder
        self.metadata = metadata
        self.endpoint = ""
        self.accounts: dict[str, Account] = {}
        # One call at a time: moto promises nothing about threads.
        self.lock = threading.RLock()

    def account(self, number: str) -> Account:
        return self.accounts.setdefault(number, Account(number))

    def __call__(self, environ, start_response):
        body = read_body(environ)
        path = environ.get("PATH_INFO", "")
        with self.lock:
            if path.startswith("/_control/"):
                answer = self.control(environ["REQUEST_METHOD"], path.split("/")[2:], environ["QUERY_STRING"], body)
                return respond(start_response, 200, json.dumps(answer), "application/json")
            return self.call(environ, start_response, path, body)

    # Amazon's calls

    def call(self, environ, start_response, path: str, body: bytes):
        scope = re.search(r"Credential=([^/]+)/\d+/([^/]+)/([^/]+)/", environ.get("HTTP_AUTHORIZATION", ""))
        if not scope:
            return refuse(start_response, "s3", "MissingAuthenticationToken", "The request is not signed.", 403)
        key, region, service = scope.groups()
        number = key[-12:]
        account = self.account(number)
        call = {"service": service, "region": region, "by": key[:8], **describe(environ, service, path, body)}
        account.calls.append(call)
        if service == "ec2" and call["action"] == "RunInstances":
            call |= self.what_runs(account, region, call["parameters"])
        if key.startswith("ASIATEST") and not self.allowed(account, environ, service, path):
            return self.refused(start_response, call, "AccessDenied", "not allowed by the role's policy", 403)
        if rule := account.refusal(call):
            message = rule.get("message", rule["code"])
            return self.refused(start_response, call, rule["code"], message, rule.get("status", 400))
        if service == "pricing":
            return respond(start_response, 200, json.dumps(prices(account, json.loads(body))), "application/x-amz-json-1.1")
        if service == "ssm" and json.loads(body).get("Name") == IMAGE_PARAMETER:
            parameter = {"Name": IMAGE_PARAMETER, "Type": "String", "Value": IMAGE, "Version": 1}
            return respond(start_response, 200, json.dumps({"Parameter": parameter}), "application/x-amz-json-1.1")
        if service == "ec2":
            if reason := self.impossible(account, region, call):
                return self.refused(start_response, call, *reason)
            token = call["parameters"].get("ClientToken") if call["action"] == "RunInstances" else None
            if token in account.tokens:
                parameters, status, headers, answer = account.tokens[token]
                if parameters != call["parameters"]:
                    reason = "IdempotentParameterMismatch", "another call had the token", 400
                    return self.refused(start_response, call, *reason)
                start_response(status, headers)
                return [answer]
        if service == "iam" and call["action"] == "ListInstanceProfileTags":
            call["status"] = 200
            return respond(start_response, 200, profile_tags(account, call["parameters"]["InstanceProfileName"]), "text/xml")
        environ["HTTP_X_MOTO_ACCOUNT_ID"] = number
        status, headers, answer = run(self.moto, environ)
        if service == "iam" and call["action"] in ("ListRoles", "ListInstanceProfiles"):
            answer = as_listed(answer, call["parameters"].get("PathPrefix", "/"))
            headers = [(name, value) for name, value in headers if name.lower() != "content-length"]
        call["status"] = int(status.split()[0])
        if service == "ec2" and call["status"] == 200:
            if call["action"] == "RunInstances":
                self.started(account, region, call, answer.decode())
                if token:
                    account.tokens[token] = (call["parameters"], status, headers, answer)
            elif call["action"] == "TerminateInstances":
                self.settle(account)
        start_response(status, headers)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [answer]

    def refused(self, start_response, call: dict, code: str, message: str, status: int):
        call["status"] = status
        call["code"] = code
        return refuse(start_response, call["service"], code, message, status)

    def what_runs(self, account: Account, region: str, parameters: dict) -> dict:
        subnet = parameters.get("SubnetId") or parameters.get("NetworkInterface.1.SubnetId")
        zone = parameters.get("Placement.AvailabilityZone")
        if subnet:
            zone = next((s.availability_zone for s in subnets(ec2(account, region)) if s.id == subnet), zone)
        spot = parameters.get("InstanceMarketOptions.MarketType") == "spot"
        return {"type": parameters.get("InstanceType"), "zone": zone, "spot": spot}

    def impossible(self, account: Account, region: str, call: dict):
        """What Amazon would not take, and moto does: (code, message, status)."""
        parameters = call["parameters"]
        if call["action"] == "RunInstances":
            data = base64.b64decode(parameters.get("UserData", ""))
            if len(data) > MOST_USER_DATA:
                return "InvalidParameterValue", f"User data is limited to {MOST_USER_DATA} bytes", 400
        if call["action"] == "DeleteSecurityGroup":
            using = [i for i in ec2(account, region).all_instances() if i.state != "terminated"]
            if any(group.id == parameters.get("GroupId") for i in using for group in i.security_groups):
                return "DependencyViolation", f"resource {parameters['GroupId']} has a dependent object", 400
        return None

    def allowed(self, account: Account, environ, service: str, path: str) -> bool:
        """Whether the role's inline policy allows an instance this call."""
        if service != "s3":
            return False
        bucket, _, key = unquote(path).lstrip("/").partition("/")
        query = environ["QUERY_STRING"]
        if not key:
            wanted = "s3:ListBucket"
        elif environ["REQUEST_METHOD"] in ("GET", "HEAD"):
            wanted = "s3:GetObject"
        elif environ["REQUEST_METHOD"] in ("PUT", "POST"):
            wanted = "s3:PutObject"
        else:
            wanted = "s3:AbortMultipartUpload" if "uploadId" in query else "s3:DeleteObject"
        resource = f"arn:aws:s3:::{bucket}" + (f"/{key}" if key else "")
        statements = [s for document in policies(account) for s in listed(document["Statement"])]
        return any(
            statement["Effect"] == "Allow"
            and any(fnmatch.fnmatchcase(wanted, action) for action in listed(statement["Action"]))
            and any(fnmatch.fnmatchcase(resource, pattern) for pattern in listed(statement["Resource"]))
            for statement in statements
        )

    # Instances

    def started(self, account: Account, region: str, call: dict, answer: str):
        parameters = call["parameters"]
        for identity in re.findall(r"<instanceId>(i-[0-9a-f]+)</instanceId>", answer):
            instance = {"id": identity, "region": region, "parameters": parameters, "shutdowns": [], "started": time.time()}
            instance |= {key: call[key] for key in ("type", "zone", "spot")}
            account.instances[identity] = instance
            if call["spot"]:
                self.request_spot(account, region, instance)
            instance["rules"] = rules(ec2(account, region), parameters)
            instance["there"] = there(account)
            if call["type"] in account.settings.get("play", []):
                self.play(account, instance)

    def request_spot(self, account: Account, region: str, instance: dict):
        """The request that stands behind a spot instance."""
        from moto.ec2.models.spot_requests import SpotInstanceRequest

        backend = ec2(account, region)
        found = backend.get_instance(instance["id"])
        names = ["valid_from", "valid_until", "launch_group", "availability_zone_group", "key_name", "security_groups"]
        names += ["user_data", "placement", "kernel_id", "ramdisk_id", "monitoring_enabled"]
        launch, SpotInstanceRequest.launch_instance = SpotInstanceRequest.launch_instance, lambda _: found
        try:
            backend.request_spot_instances(
                price="",
                image_id=found.image_id,
                count=1,
                spot_instance_type="one-time",
                instance_type=found.instance_type,
                subnet_id=found.subnet_id,
                tags={"spot-instances-request": tags_for(instance["parameters"], "spot-instances-request")},
                **dict.fromkeys(names),
            )
        finally:
            SpotInstanceRequest.launch_instance = launch

    def play(self, account: Account, instance: dict):
        """Runs the user data as cloud-init does: a file with its own first line, as root, with no HOME."""
        folder = Path(account.settings["folder"]) / instance["type"]
        for name in ("bin", "tmp"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        key = f"ASIATEST{account.number}"
        credentials = {
            "Code": "Success",
            "Type": "AWS-HMAC",
            "AccessKeyId": key,
            "SecretAccessKey": "secret-of-the-instance",
            "Token": "token-of-the-instance",
            "LastUpdated": "2026-01-01T00:00:00Z",
            "Expiration": "2099-01-01T00:00:00Z",
        }
        facts = {
            "instance-type": instance["type"],
            "instance-id": instance["id"],
            "placement/region": instance["region"],
            "placement/availability-zone": instance["zone"],
            "instance-life-cycle": "spot" if instance["spot"] else "on-demand",
            "ami-id": instance["parameters"].get("ImageId", ""),
            "iam/security-credentials/": "role",
            "iam/security-credentials/role": json.dumps(credentials),
        }
        (self.folder / f"{instance['id']}.json").write_text(json.dumps(facts))
        port = self.endpoint.rsplit(":", 1)[1]
        shutdown = folder / "bin" / "shutdown"
        shutdown.write_text(SHUTDOWN.format(port=port, account=account.number, id=instance["id"]))
        script = folder / "user-data"
        script.write_bytes(base64.b64decode(instance["parameters"].get("UserData", "")))
        for file in (shutdown, script):
            file.chmod(0o755)
        environment = {
            "PATH": f"{folder / 'bin'}:{self.folder / 'bin'}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "TMPDIR": str(folder / "tmp"),
            "GRADRACE_WORK": str(folder / "work"),
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": f"{self.metadata}/{instance['id']}",
            "AWS_METADATA_SERVICE_TIMEOUT": "10",
            "AWS_METADATA_SERVICE_NUM_ATTEMPTS": "3",
            # Without a HOME the client would read those of who runs the tests.
            "AWS_CONFIG_FILE": "/nonexistent",
            "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
            **account.settings.get("environment", {}),
        }
        console = (folder / "console.txt").open("wb")
        try:
            instance["process"] = subprocess.Popen(
                [str(script)],
                cwd="/",
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            console.write(f"the user data does not run: {error}\n".encode())

    def terminate(self, account: Account, instance: dict):
        ec2(account, instance["region"]).terminate_instances([instance["id"]])
        self.settle(account)

    def settle(self, account: Account):
        """What follows where an instance was terminated."""
        for instance in account.instances.values():
            found = ec2(account, instance["region"]).get_instance(instance["id"])
            if found.state != "terminated" or instance.get("ended"):
                continue
            instance["ended"] = time.time()
            if process := instance.get("process"):
                end(process)
            for request in ec2(account, instance["region"]).spot_instance_requests.values():
                if request.instance is found:
                    request.state = "closed"
            if seconds := account.settings.get("terminating_s"):
                found._state.name, found._state.code = "shutting-down", 32
                threading.Timer(seconds, self.gone, [found]).start()

    def gone(self, found):
        with self.lock:
            found._state.name, found._state.code = "terminated", 48

    def shut_down(self, account: Account, instance: dict, arguments: str):
        """`shutdown` was called on the instance. A timer stays one: the test says when it has run out."""
        instance["shutdowns"].append(arguments)
        if arguments.split()[-1:] in (["now"], ["+0"]):
            self.power_off(account, instance)

    def power_off(self, account: Account, instance: dict):
        if instance["parameters"].get("InstanceInitiatedShutdownBehavior") == "terminate":
            self.terminate(account, instance)
        else:
            ec2(account, instance["region"]).stop_instances([instance["id"]])
            if process := instance.get("process"):
                end(process)

    # What tests ask and say

    def control(self, method: str, path: list[str], query: str, body: bytes):
        account = self.account(path[0])
        asked = {name: values[0] for name, values in parse_qs(query).items()}
        what = path[1] if len(path) > 1 else ""
        if method == "PUT":
            account.settings |= json.loads(body)
            if region := account.settings.pop("no_default_vpc", None):
                forget_default_vpc(account, region)
            return {}
        if what == "calls":
            return account.calls
        if what == "instances":
            return [self.told(account, instance) for instance in account.instances.values()]
        if what == "left":
            return [f"{thing['kind']} {thing['name']}" for thing in there(account)]
        instance = account.instances[asked["id"]]
        if what == "shutdown":
            self.shut_down(account, instance, asked["arguments"])
        elif what == "timer":
            self.power_off(account, instance)
        elif what == "terminate":
            self.terminate(account, instance)
        return {}

    def told(self, account: Account, instance: dict) -> dict:
        backend = ec2(account, instance["region"])
        found = backend.get_instance(instance["id"])
        told = {key: value for key, value in instance.items() if key != "process"}
        process = instance.get("process")
        return told | {
            "state": found.state,
            "running": bool(process and process.poll() is None),
            "user_data": base64.b64decode(instance["parameters"].get("UserData", "")).decode(),
        }


# As systemd's: it tells at once, and comes back.
SHUTDOWN = """#!/bin/bash
arguments="$*"
arguments=${{arguments// /%20}}
exec 3<>/dev/tcp/127.0.0.1/{port}
printf 'POST /_control/{account}/shutdown?id={id}&arguments=%s HTTP/1.0\\r\\nContent-Length: 0\\r\\n\\r\\n' \\
    "${{arguments//+/%2B}}" >&3
cat <&3 >/dev/null
"""


def end(process: subprocess.Popen):
    """Ends all that the user data started. Power off asks nobody."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def read_body(environ) -> bytes:
    """The whole body, which then can be read again."""
    if environ.get("wsgi.input_terminated"):
        body = environ["wsgi.input"].read()
    else:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    environ["CONTENT_LENGTH"] = str(len(body))
    environ.pop("HTTP_TRANSFER_ENCODING", None)
    return body


def describe(environ, service: str, path: str, body: bytes) -> dict:
    """A call's action and parameters, by the service's protocol."""
    if target := environ.get("HTTP_X_AMZ_TARGET"):
        return {"action": target.rsplit(".", 1)[1], "parameters": json.loads(body or b"{}")}
    if service == "s3":
        bucket, _, key = unquote(path).lstrip("/").partition("/")
        about = environ["QUERY_STRING"].split("=")[0].split("&")[0]
        kind = "object" if key else "bucket" if bucket else "buckets"
        action = f"{environ['REQUEST_METHOD']} {kind}" + (f" {about}" if about else "")
        return {"action": action, "parameters": {"bucket": bucket, "key": key, "body": "" if key else body.decode()}}
    parameters = dict(parse_qsl(body.decode(), keep_blank_values=True))
    return {"action": parameters.pop("Action", ""), "parameters": parameters}


def run(application, environ) -> tuple[str, list, bytes]:
    """An application's whole answer."""
    start = []
    parts = application(environ, lambda status, headers, _=None: start.append((status, headers)))
    try:
        answer = b"".join(parts)
    finally:
        if hasattr(parts, "close"):
            parts.close()
    return *start[0], answer


def respond(start_response, status: int, text: str, kind: str):
    body = text.encode()
    word = "OK" if status == 200 else "Refused"
    start_response(f"{status} {word}", [("Content-Type", kind), ("Content-Length", str(len(body)))])
    return [body]


def refuse(start_response, service: str, code: str, message: str, status: int):
    """An error in the service's own words."""
    if service in ("pricing", "ssm"):
        text = json.dumps({"__type": code, "message": message})
        return respond(start_response, status, text, "application/x-amz-json-1.1")
    error = f"<Code>{code}</Code><Message>{message}</Message>"
    if service == "ec2":
        text = f"<Response><Errors><Error>{error}</Error></Errors><RequestID>test</RequestID></Response>"
    elif service == "s3":
        text = f"<Error>{error}<RequestId>test</RequestId></Error>"
    else:
        text = f"<ErrorResponse><Error><Type>Sender</Type>{error}</Error><RequestId>test</RequestId></ErrorResponse>"
    return respond(start_response, status, text, "text/xml")


def as_listed(answer: bytes, prefix: str) -> bytes:
    """Lists of Amazon's are without tags, and of a path alone where one is asked for."""
    from xml.etree import ElementTree

    space = "{https://iam.amazonaws.com/doc/2010-05-08/}"
    ElementTree.register_namespace("", space.strip("{}"))
    tree = ElementTree.fromstring(answer)
    for kind in ("Roles", "InstanceProfiles"):
        for things in tree.findall(f"{space}List{kind}Result/{space}{kind}"):
            for thing in list(things):
                if not thing.findtext(f"{space}Path", "/").startswith(prefix):
                    things.remove(thing)
                for tags in thing.findall(f"{space}Tags"):
                    thing.remove(tags)
    return ElementTree.tostring(tree)


def profile_tags(account: Account, name: str) -> str:
    """What moto does not answer: the tags of an instance profile."""
    tags = iam(account).get_instance_profile(name).tags
    members = "".join(f"<member><Key>{tag['Key']}</Key><Value>{tag['Value']}</Value></member>" for tag in tags)
    result = f"<Tags>{members}</Tags><IsTruncated>false</IsTruncated>"
    return (
        '<ListInstanceProfileTagsResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><ListInstanceProfileTagsResult>'
        f"{result}</ListInstanceProfileTagsResult></ListInstanceProfileTagsResponse>"
    )


def prices(account: Account, asked: dict) -> dict:
    """The pricing service: every type in five forms, of which the filters must leave one, with terms that nobody asked for."""
    wanted = {"operatingSystem": "Linux", "tenancy": "Shared", "preInstalledSw": "NA", "capacitystatus": "Used"}
    forms = [
        wanted,
        wanted | {"operatingSystem": "Windows"},
        wanted | {"tenancy": "Dedicated"},
        wanted | {"preInstalledSw": "SQL Web"},
        wanted | {"capacitystatus": "UnusedCapacityReservation"},
    ]
    products = []
    for kind, price in account.settings.get("prices", {}).items():
        for form, attributes in enumerate(forms):
            attributes = attributes | {"instanceType": kind, "regionCode": "us-east-1"}
            if all(attributes.get(f["Field"]) == f["Value"] for f in asked.get("Filters", [])):
                products.append(json.dumps(product(kind, attributes, price, form), separators=(",", ":")))
    return {"FormatVersion": "aws_v1", "PriceList": products}


def product(kind: str, attributes: dict, price, form: int) -> dict:
    sku = f"SKU{form}{abs(hash(kind)) % 10**8}"

    def dimension(usd: float, unit: str, description: str) -> dict:
        rate = {"unit": unit, "endRange": "Inf", "description": description, "appliesTo": [], "beginRange": "0"}
        return {f"{sku}.T.R": rate | {"rateCode": f"{sku}.T.R", "pricePerUnit": {"USD": f"{usd:.10f}"}}}

    lease = {"LeaseContractLength": "1yr"}
    reserved = {"priceDimensions": dimension(0.0001, "Hrs", "reserved"), "sku": sku, "termAttributes": lease}
    terms = {"Reserved": {f"{sku}.A": reserved}}
    if price is not None:
        rate = dimension(price + 10 * form, "Hrs", f"${price} per On Demand Linux {kind} Instance Hour")
        demand = {"priceDimensions": rate, "sku": sku, "effectiveDate": "2026-11-01T00:00:00Z", "termAttributes": {}}
        # JSON promises no order.
        demand = {"OnDemand": {f"{sku}.T": demand}}
        terms = demand | terms if len(kind) % 2 else terms | demand
    attributes = attributes | {"marketoption": "OnDemand"}
    return {
        "product": {"productFamily": "Compute Instance", "attributes": attributes, "sku": sku},
        "serviceCode": "AmazonEC2",
        "terms": terms,
        "version": "20261101000000",
        "publicationDate": "2026-11-01T00:00:00Z",
    }


# What is in moto


def ec2(account: Account, region: str):
    from moto.ec2.models import ec2_backends

    return ec2_backends[account.number][region]


def iam(account: Account):
    from moto.iam.models import iam_backends

    return iam_backends[account.number]["aws"]


def subnets(backend) -> list:
    return [subnet for zone in backend.subnets.values() for subnet in zone.values()]


def policies(account: Account) -> list[dict]:
    """The inline policies of the account's roles."""
    documents = [text for role in iam(account).roles.values() for text in role.policies.values()]
    return [json.loads(text) if text.lstrip().startswith("{") else json.loads(unquote(text)) for text in documents]


def listed(value) -> list:
    return value if isinstance(value, list) else [value]


def tags_for(parameters: dict, resource: str) -> dict:
    """The tags that a call gives to one kind of resource."""
    for name, value in parameters.items():
        if re.fullmatch(r"TagSpecification\.\d+\.ResourceType", name) and value == resource:
            prefix = name.removesuffix("ResourceType") + "Tag."
            keys = {n: v for n, v in parameters.items() if n.startswith(prefix) and n.endswith(".Key")}
            return {key: parameters.get(n.removesuffix("Key") + "Value", "") for n, key in keys.items()}
    return {}


def forget_default_vpc(account: Account, region: str):
    backend = ec2(account, region)
    for vpc in list(backend.vpcs.values()):
        for subnet in [s for s in subnets(backend) if s.vpc_id == vpc.id]:
            backend.delete_subnet(subnet.id)
        for group in list(backend.groups.pop(vpc.id, {})):
            del group
        backend.vpcs.pop(vpc.id)


def there(account: Account) -> list[dict]:
    """All that costs or could be used and is still there, with its tags, whatever they say."""
    from moto.s3.models import s3_backends

    things = []

    def add(kind: str, name: str, tags):
        lower = [{key.lower(): value for key, value in tag.items()} for tag in tags]
        things.append({"kind": kind, "name": name, "tags": {tag["key"]: tag["value"] for tag in lower}})

    for region in sorted({call["region"] for call in account.calls if call["service"] == "ec2"}):
        backend = ec2(account, region)
        for instance in backend.all_instances():
            if instance.state != "terminated":
                add("instance", instance.id, instance.get_tags())
        for identity, volume in backend.volumes.items():
            add("volume", identity, volume.get_tags())
        for identity, interface in backend.enis.items():
            add("interface", identity, interface.get_tags())
        for request in backend.spot_instance_requests.values():
            if request.state in ("open", "active"):
                add("spot request", request.id, request.get_tags())
        for group in [group for of_vpc in backend.groups.values() for group in of_vpc.values()]:
            if group.name != "default":
                add("security group", group.id, group.get_tags())
        for name in [*backend.key_pairs, *backend.launch_templates, *(a.allocation_id for a in backend.addresses)]:
            add("something unasked", name, [])
    buckets = s3_backends[account.number]["aws"]
    for name, bucket in buckets.buckets.items():
        add("bucket", name, buckets.tagger.list_tags_for_resource(bucket.arn)["Tags"])
    for role in iam(account).roles.values():
        add("role", role.name, role.tags)
    for profile in iam(account).instance_profiles.values():
        add("instance profile", profile.name, profile.tags)
    for name in iam(account).users:
        add("something unasked", name, [])
    return things


def rules(backend, parameters: dict) -> dict:
    """What the groups of a new instance let in and out."""
    groups = [value for name, value in parameters.items() if re.search(r"SecurityGroupId\.\d+$", name)]
    found = [backend.get_security_group_from_id(group) for group in groups]

    def told(rule) -> str:
        return f"{rule.ip_protocol} {rule.from_port}-{rule.to_port} {rule.ip_range.get('CidrIp')}"

    return {
        "in": [told(rule) for group in found for rule in group.ingress_rules],
        "out": [told(rule) for group in found for rule in group.egress_rules],
    }


def helper(*arguments: str) -> subprocess.Popen:
    """A part of this that has a process of its own, and ends with its standard input."""
    command = [sys.executable, *arguments]
    clean = {"PATH": "/usr/bin:/bin"}
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=clean)


def serve(folder: Path):
    metadata = helper("-S", __file__, "metadata", str(folder))
    socket = folder / "client"
    client = Path(__file__).with_name("client.py")
    loaded = helper(str(client), "serve", str(socket))
    command = folder / "bin" / "aws"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -IS {client} {socket} "$@"\n')
    command.chmod(0o755)

    from moto.moto_server.werkzeug_app import MotoRequestHandler
    from werkzeug.serving import make_server

    class Quiet(MotoRequestHandler):
        def log(self, *_):
            pass

    layer = Layer(folder, f"http://{LOOPBACK}:{int(metadata.stdout.readline())}")
    server = make_server(LOOPBACK, 0, layer, threaded=True, request_handler=Quiet)
    layer.endpoint = f"http://{LOOPBACK}:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    loaded.stdout.readline()
    print(json.dumps({"port": server.server_port, "image": IMAGE, "aws": str(command)}), flush=True)
    sys.stdin.read()
    with layer.lock:
        for account in layer.accounts.values():
            for instance in account.instances.values():
                if process := instance.get("process"):
                    end(process)
    # Threads of clients that are still there hold nobody up.
    os._exit(0)


if __name__ == "__main__":
    if sys.argv[1] == "metadata":
        serve_metadata(sys.argv[2])
    else:
        serve(Path(sys.argv[1]))
