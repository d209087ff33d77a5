//! The scripts: each change, and each read, is one of them, so all of it or nothing happens.

use redis::Script;

/// The scripts as one server takes them.
pub(super) struct Scripts {
    pub(super) load: Script,
    pub(super) insert: Script,
    pub(super) touch: Script,
    pub(super) rotate: Script,
    pub(super) set_orgs: Script,
    pub(super) end: Script,
    pub(super) ids: Script,
    pub(super) list: Script,
    pub(super) org_rules: Script,
    pub(super) put_org_rules: Script,
    pub(super) purge: Script,
}

const COMMON: &str = include_str!("lua/common.lua");

impl Scripts {
    /// A server from version 7 on can be told how to treat a script: none of these runs on a
    /// replica, not even to read, and some run although the memory is used up.
    pub(super) fn new(server_knows_flags: bool) -> Self {
        let head = |flags: &str| match server_knows_flags {
            true => format!("#!lua{flags}\n"),
            false => String::new(),
        };
        // What reads, and what makes room. A sign-out must not fail because the memory is full.
        let always = |parts: &[&str]| Script::new(&(head(" flags=allow-oom") + &parts.concat()));
        let with_room = |parts: &[&str]| Script::new(&(head("") + &parts.concat()));
        Self {
            load: always(&[include_str!("lua/load.lua")]),
            insert: with_room(&[COMMON, include_str!("lua/insert.lua")]),
            touch: with_room(&[COMMON, include_str!("lua/touch.lua")]),
            rotate: with_room(&[COMMON, include_str!("lua/rotate.lua")]),
            set_orgs: with_room(&[COMMON, include_str!("lua/set_orgs.lua")]),
            end: always(&[COMMON, include_str!("lua/end.lua")]),
            ids: always(&[include_str!("lua/ids.lua")]),
            list: always(&[COMMON, include_str!("lua/list.lua")]),
            org_rules: always(&[include_str!("lua/org_rules.lua")]),
            put_org_rules: with_room(&[include_str!("lua/put_org_rules.lua")]),
            purge: always(&[COMMON, include_str!("lua/purge.lua")]),
        }
    }
}
