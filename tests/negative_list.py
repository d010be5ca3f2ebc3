"""The negative list: each thing that must be refused, and the tests that try it. `tests/docs/test_negative_list.py` keeps it honest.

The first table has the items of chapter 10 of the specification `20-wan-crypto-pki`, in its words; the second, peers that mean harm.
"""

_TLS = "tests/net/test_smpki_tls.py::"
_ENVELOPE = "tests/codec/cms/test_cms_authenveloped.py::TestRefused::test_a_message_outside_the_profile"
_SIGNED = "tests/codec/cms/test_cms_signed.py::TestRefused::test_a_message_outside_the_profile_although_its_signature_is_right"
_WAKE_UP = "tests/protocol/test_wakeup_guard.py::test_what_is_not_right_is_refused_with_its_code"
_LIMBO = "tests/pki/test_limbo.py::test_our_verdict"
_CHANNEL = "tests/gateway/wan/test_channel.py::test_what_is_no_command_is_refused_barely_logged_with_its_code_and_the_channel_stands"
_COSEM = "tests/gateway/wan/cosem/test_endpoint.py::test_what_http_alone_asks_for_is_refused_barely"
_MANAGEMENT = "tests/gateway/test_management.py::"
_OFFICE = "tests/administrator/test_administrator_management.py::test_what_is_no_answer_of_this_gateway_to_this_command_counts_for_nothing"
_MIS_ISSUED = [
    "authority-as-leaf",
    "authority-name-on-leaf",
    "below-root",
    "path-too-long",
    "not-a-ca",
    "sub-no-constraints",
    "sub-no-cert-sign",
    "usage-too-wide",
    "usage-cert-sign",
    "policy-wrong",
    "policy-missing",
    "too-long",
    "wide-leaf",
    "new-root-old-curve",
    "hash-too-short",
    "sub-list-by-root",
    "sub-list-forged",
    "list-partial",
    "signer-by-sub",
]
"""Cases of the path check in which an authority signed what it may not."""

ITEMS: dict[str, tuple[str, ...]] = {
    "wrong SKI": (
        f"{_ENVELOPE}[another recipient]",
        f"{_SIGNED}[another key identifier for the signer]",
        "tests/security/test_content.py::TestRefused::test_a_message_for_somebody_else",
    ),
    "wrong curve": (f"{_ENVELOPE}[another curve named for the originator]", f"{_LIMBO}[p256-leaf]"),
    "tampered tag": (f"{_ENVELOPE}[another mac]",),
    "changed wrapped key": (f"{_ENVELOPE}[another wrapped key]",),
    "extra signed attribute": (f"{_SIGNED}[an unknown attribute]", f"{_SIGNED}[a signing time]"),
    "missing messageDigest": (f"{_SIGNED}[no message digest attribute]",),
    "expired/unknown certificate": (
        f"{_LIMBO}[expired]",
        f"{_LIMBO}[unknown-root]",
        f"{_TLS}test_a_client_at_another_time",
        f"{_TLS}test_a_client_of_another_pki",
        "tests/gateway/wan/test_channel.py::test_an_expired_administrator_is_not_even_dialled",
    ),
    "certificate of the wrong role (EMT cert on MANAGEMENT)": (
        "tests/administrator/test_administrator_service.py::test_a_participant_is_refused_at_both_doors",
        f"{_TLS}test_a_client_of_the_wrong_role",
        f"{_LIMBO}[wrong-role]",
    ),
    "TLS without client certificate": (f"{_TLS}test_a_client_that_offers_less[no-certificate]",),
    "P-256-only client certificate at WAN": (f"{_TLS}test_a_client_on_p256",),
    "TLS 1.1": (f"{_TLS}test_a_client_that_offers_less[tls-1.1]",),
    "renegotiation": ("tests/net/test_renegotiation.py::test_a_client_that_wants_to_negotiate_anew_is_let_go",),
    "RSA": (
        "tests/net/test_smpki_tls_rsa.py::test_a_client_with_an_rsa_key",
        f"{_TLS}test_a_client_that_offers_less[rsa]",
        f"{_LIMBO}[rsa-leaf]",
    ),
    "oversized header": ("tests/protocol/test_tunnel_http.py::test_the_server_refuses_by_name_and_says_no_more",),
    "wrong Host": (
        "tests/gateway/wan/test_channel.py::test_what_is_no_call_of_the_interface_gets_its_status",
        f"{_COSEM}[GET-/cosem/ldevs-changes0-403]",
    ),
    "unknown COSEM object": (
        "tests/gateway/wan/cosem/test_tree.py::test_an_unknown_object_is_not_there",
        f"{_COSEM}[GET-/cosem/nothing-changes1-404]",
        f"{_MANAGEMENT}test_what_is_not_offered_is_answered_with_a_code",
        "tests/codec/test_cosem_resources.py::test_what_is_not_in_the_tree_is_no_resource",
    ),
    "duplicate x-CID": (
        f"{_MANAGEMENT}test_a_repeated_command_is_answered_from_memory_and_not_obeyed_again",
        "tests/gateway/wan/cosem/test_endpoint.py::test_a_replayed_request_is_answered_the_same_and_obeyed_once",
        "tests/participant/test_deliveries.py::test_the_same_message_twice_has_one_effect",
        "tests/participant/test_deliveries.py::test_a_message_id_is_never_used_for_another_content",
    ),
    "wake-up: other recipient": (f"{_WAKE_UP}[other recipient]",),
    "wake-up: too old": (f"{_WAKE_UP}[too old]",),
    "wake-up: replay": (
        "tests/protocol/test_wakeup_guard.py::test_a_packet_is_accepted_once_and_older_ones_not_after_it",
        "tests/protocol/test_wakeup_guard.py::test_what_was_accepted_before_a_restart_is_not_accepted_after_it",
    ),
    "wake-up: future": (f"{_WAKE_UP}[future]",),
    "wake-up: bad OID": (f"{_WAKE_UP}[bad OID]",),
    "wake-up: bad length": (f"{_WAKE_UP}[too short]", f"{_WAKE_UP}[too long]"),
    "wake-up: big-endian time": (f"{_WAKE_UP}[big-endian time]",),
}

PEERS: dict[str, tuple[str, ...]] = {
    "an administrator that forges": (
        f"{_CHANNEL}[altered]",
        f"{_CHANNEL}[by somebody else]",
        f"{_MANAGEMENT}test_a_command_that_somebody_else_signed_is_refused",
        f"{_MANAGEMENT}test_an_altered_command_is_refused",
    ),
    "an administrator that replays": (
        f"{_MANAGEMENT}test_a_command_is_not_obeyed_again_when_its_answer_is_kept_no_longer",
        f"{_MANAGEMENT}test_a_command_from_another_time_is_refused",
        f"{_CHANNEL}[to another gateway]",
        "tests/gateway/wan/test_hostile_administrator.py::test_an_id_that_was_used_says_nothing_about_another_content",
        "tests/gateway/wan/cosem/test_endpoint.py::test_a_sealed_command_has_no_effect_at_another_address_or_by_another_method",
    ),
    "an administrator out of phase": (
        f"{_MANAGEMENT}test_a_state_that_does_not_obey_says_so",
        "tests/gateway/wan/test_hostile_administrator.py::test_what_belongs_to_another_phase_of_life_changes_nothing",
        "tests/gateway/test_succession.py::test_out_of_its_order_no_step_of_a_change_does_anything",
        "tests/playbook/test_commissioning.py::test_every_action_of_another_phase_is_refused_with_the_phase_it_needs",
    ),
    "an administrator that sends too much": (
        "tests/gateway/wan/test_hostile_administrator.py::test_a_command_beyond_its_size_is_refused_whole",
        f"{_MANAGEMENT}test_the_number_of_commands_in_ten_minutes_is_bounded",
        "tests/gateway/test_pending.py::test_only_so_many_commands_are_under_way_and_one_too_many_leaves_nothing",
    ),
    "an administrator that sends a gateway elsewhere": ("tests/gateway/test_pending.py::test_a_result_is_never_sent_anywhere_else",),
    "an administrator that contradicts itself": (
        f"{_MANAGEMENT}test_a_profile_that_contradicts_others_is_refused_whole",
        f"{_MANAGEMENT}test_an_older_version_is_refused",
        f"{_MANAGEMENT}test_a_contract_never_passes_to_another_consumer_meter_or_time",
        "tests/gateway/wan/test_hostile_administrator.py::test_one_version_has_one_content",
    ),
    "a gateway that lies": (
        f"{_OFFICE}[signed by somebody else]",
        f"{_OFFICE}[answer to another command]",
        f"{_OFFICE}[answer of another gateway]",
        "tests/administrator/test_administrator_management.py::test_a_body_of_another_form_is_the_gateway_s_fault",
        "tests/administrator/test_administrator_management.py::test_a_gateway_that_shows_another_certificate_than_the_one_on_file_is_refused",
        "tests/administrator/api/test_gateways.py::test_a_gateway_may_say_anything_of_itself",
        "tests/administrator/api/test_logs.py::test_what_is_no_log_counts_for_nothing",
        "tests/administrator/test_results.py::test_what_is_not_this_gateways_result_of_this_job_changes_nothing",
        "tests/administrator/test_results.py::test_a_gateway_can_not_end_the_job_of_another",
        "tests/administrator/test_results.py::test_a_replayed_result_is_confirmed_and_counts_for_nothing",
        "tests/administrator/test_results.py::test_what_a_gateway_lets_us_keep_is_json_through_and_through",
        "tests/playbook/test_change_of_administrator.py::test_a_gateway_that_is_not_as_promised_stays_with_its_administrator",
    ),
    "an authority that mis-issues": (
        *(f"{_LIMBO}[{case}]" for case in _MIS_ISSUED),
        f"{_TLS}test_even_a_new_certificate_of_the_pinned_partner_is_another_one",
        "tests/playbook/test_commissioning.py::test_seal_certificates_of_another_gateway_or_for_other_keys_are_refused",
    ),
}
