"""AWS access keys: the IAM query API, signed with the pair itself or an administrator's.

A user has room for two keys, and keys have no names: a second one that nobody expects is shown, and never deleted on a guess.
"""

from __future__ import annotations

import re

from keyvault.core.secret import Secret
from keyvault.net.client import Answer, Request, Signer
from keyvault.rotation.schemes.asking import ask
from keyvault.rotation.schemes.base import API, Credential, Job, Made, Refused, Unclear

_URL = "https://iam.amazonaws.com/"


class Aws:
    """IAM's CreateAccessKey, ListAccessKeys and DeleteAccessKey."""

    name = "aws"
    makes: str = API
    revokes: str = API
    by = "self"
    proven = True
    lists = False  # not by name
    refuses_another = True
    settle = 30

    def old_id(self, job: Job) -> str:
        """The id of a pair is its main value."""
        return job.old.value.reveal()

    def create(self, job: Job) -> Made:
        """A second pair. Raises Refused where the user has two already."""
        present = self.present(job)
        others = [f"{key_id}, made {at}" for key_id, at in present.items() if key_id != job.old.value.reveal()]
        if others:
            raise Refused(
                f"the user has a second access key already ({'; '.join(others)}), and AWS allows two",
                "if it is the one of a lost answer, or in use nowhere: delete it in the IAM console, and run this again",
            )
        answer = self._call(job.by, "CreateAccessKey", job, once=True)
        key_id, secret = _tag(answer.body, "AccessKeyId"), _tag(answer.body, "SecretAccessKey")
        if not key_id or not secret:
            raise Unclear("AWS answered as if a key was made, and gave none", "resume in a while")
        return Made(Secret(key_id), {"secret_access_key": Secret(secret)}, key_id, None)

    def present(self, job: Job) -> dict[str, str]:
        """The user's key ids, and when each was made."""
        body = self._call(job.by, "ListAccessKeys", job).body
        entries = [after.partition("</member>")[0] for after in body.split("<member>")[1:]]
        return {_tag(entry, "AccessKeyId"): _tag(entry, "CreateDate") for entry in entries}

    def strays(self, job: Job, keep: str) -> list[str]:
        """None that could be told from a stranger's."""
        return []

    def can_delete(self, vendor_id: str) -> bool:
        """The id is the key's main value, so it is known."""
        return bool(vendor_id)

    def delete(self, job: Job, vendor_id: str) -> None:
        """Delete a pair by its id. Raises Refused, Unclear."""
        if not vendor_id:
            raise Refused("the id of the access key is not known")
        answer = self._call(job.by, "DeleteAccessKey", job, {"AccessKeyId": vendor_id}, allowed=(200, 404))
        if answer.status == 404 and "NoSuchEntity" not in answer.body:
            raise Unclear("AWS answered 404 in a way that does not tell what was done", "resume in a while")

    def _call(
        self,
        by: Credential,
        action: str,
        job: Job,
        further: dict[str, str] | None = None,
        *,
        once: bool = False,
        allowed: tuple[int, ...] = (200,),
    ) -> Answer:
        if "secret_access_key" not in by.fields:
            raise Refused(f"{by.ref} lacks its secret half", f"keyvault edit {by.ref} --secret-field secret_access_key")
        form = {"Action": action, "Version": "2010-05-08"} | (further or {})
        user = job.old.fields.get("iam_user")
        if user:  # without it the pair that signs is the one that is meant
            form["UserName"] = user.reveal()
        elif by.ref != job.old.ref:
            raise Refused(
                "an administrator's pair has to be told whose key it replaces",
                f"keyvault edit {job.old.ref} --field iam_user=NAME",
            )
        token = by.fields["session_token"].reveal() if "session_token" in by.fields else ""
        signer = Signer(by.value.reveal(), by.fields["secret_access_key"].reveal(), token, "us-east-1", "iam")
        return ask(Request("POST", _URL, form=form, signer=signer), once=once, allowed=allowed)


def _tag(xml: str, name: str) -> str:
    found = re.search(rf"<{name}>\s*([^<>&\s]+)\s*</{name}>", xml)
    return found[1] if found else ""
