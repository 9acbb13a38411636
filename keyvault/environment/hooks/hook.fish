# keyvault's hook for fish 3.1 and later. At each prompt it looks for the .keyvault.toml that applies here. It starts keyvault
# only where that has changed, to be told names and values; what was there before is kept here, and put back on leaving.

if not set -qg _keyvault_names
    set -gu _keyvault_names
    for name in folder text profile again locked said
        set -gu _keyvault_$name ''
    end
    # A shell that was started from one with keys loaded knows their names alone: they count as unset before.
    for name in (string split -n ' ' -- "$KEYVAULT_LOADED" | string match -r '^[A-Za-z_][A-Za-z0-9_]*$')
        if set -qg $name
            set -ga _keyvault_names $name
            set -gu _keyvault_kind_$name unset
            set -gu _keyvault_gave_$name "$$name"
        end
    end
end

function keyvault
    set -g _keyvault_again 1
    command keyvault $argv
end

function _keyvault_hook --on-event fish_prompt
    set -l _kv_status $status
    _keyvault_look
    return $_kv_status
end

function _keyvault_look
    set -l _kv_names
    set -l _kv_values
    set -l _kv_notes
    set -l _kv_text
    set -l _kv_here
    set -l _kv_folder
    set -l _kv_up ./
    for _kv_part in (string split / -- (builtin realpath . 2>/dev/null)) # PWD is out of date where a folder was renamed
        if test -e $_kv_up.keyvault.toml -o -L $_kv_up.keyvault.toml
            set _kv_folder (builtin realpath $_kv_up)/
            break
        end
        set _kv_up ../$_kv_up
    end
    if test -z "$_kv_folder"
        set -q _keyvault_names[1]; and _keyvault_apply
        set _keyvault_folder ''
        set _keyvault_again ''
        set _keyvault_said ''
        return
    end
    if test -f "$_kv_folder.keyvault.toml"
        read -z -n 65537 _kv_text <"$_kv_folder.keyvault.toml" 2>/dev/null
    end
    if test "$_kv_folder" = "$_keyvault_folder"
        set _kv_here 1
        if test -z "$_keyvault_again" -a "x$_kv_text" = "x$_keyvault_text" -a "x$KEYVAULT_PROFILE" = "x$_keyvault_profile"
            return
        end
    else
        set _keyvault_said ''
    end
    set _keyvault_folder $_kv_folder
    set _keyvault_text "$_kv_text"
    set _keyvault_profile "$KEYVAULT_PROFILE"
    set _keyvault_again ''
    set -l _kv_plan (command @KEYVAULT@ hook fish --plan </dev/null)
    set -l _kv_code $status
    eval $_kv_plan
    if test $_kv_code -eq 0
        set _keyvault_locked ''
    else if test $_kv_code -eq 4
        test -n "$_keyvault_locked"; and set _kv_notes
        set _keyvault_locked 1
    end
    # what is loaded here stays where the program could not say more
    if test $_kv_code -eq 0 -o -z "$_kv_here"
        _keyvault_apply $_kv_names
    end
    if set -q _kv_notes[1]; and test "x$_kv_notes" != "x$_keyvault_said"
        set _keyvault_said "$_kv_notes"
        printf '%s\n' $_kv_notes >&2
    end
end

# From what is loaded to _kv_names and _kv_values. What somebody changed by hand after it was loaded is left alone.
function _keyvault_apply --no-scope-shadowing
    set -l _kv_plus
    set -l _kv_minus
    set -l _kv_name
    set -l _kv_before
    set -l _kv_gave
    set -l _kv_at 0
    for _kv_name in $_kv_names
        set _kv_at (math $_kv_at + 1)
        set _kv_gave _keyvault_gave_$_kv_name
        if contains -- $_kv_name $_keyvault_names
            if test "x$$_kv_gave" = "x$_kv_values[$_kv_at]"; or not _keyvault_is_ours $_kv_name
                continue
            end
        else if set -qg $_kv_name
            set -gu _keyvault_kind_$_kv_name (set -qgx $_kv_name; and echo exported; or echo own)
            set -gu _keyvault_before_$_kv_name $$_kv_name
        else
            set -gu _keyvault_kind_$_kv_name unset
        end
        set -gu $_kv_gave $_kv_values[$_kv_at]
        set -gx $_kv_name $_kv_values[$_kv_at]
        set -a _kv_plus $_kv_name
    end
    for _kv_name in $_keyvault_names
        contains -- $_kv_name $_kv_names; and continue
        if _keyvault_is_ours $_kv_name
            set _kv_gave _keyvault_kind_$_kv_name
            set _kv_before _keyvault_before_$_kv_name
            switch $$_kv_gave
                case unset
                    set -eg $_kv_name
                case exported
                    set -gx $_kv_name $$_kv_before
                case '*'
                    set -gu $_kv_name $$_kv_before
            end
            set -a _kv_minus $_kv_name
        end
        set -eg _keyvault_kind_$_kv_name
        set -eg _keyvault_gave_$_kv_name
        set -eg _keyvault_before_$_kv_name
    end
    set -g _keyvault_names $_kv_names
    if set -q _kv_names[1]
        set -gx KEYVAULT_LOADED "$_kv_names"
    else
        set -eg KEYVAULT_LOADED
    end
    _keyvault_tell - $_kv_minus
    _keyvault_tell + $_kv_plus
end

function _keyvault_tell --argument-names sign
    set -l names $argv[2..-1]
    set -q names[1]; or return
    set -l more
    set -q names[9]; and set more ...
    echo keyvault: $sign(count $names) $names[1..8] $more >&2
end

# Whether a variable still has the value that it was given.
function _keyvault_is_ours --argument-names _kv_asked
    set -l _kv_given _keyvault_gave_$_kv_asked
    set -qg $_kv_asked; and test "x$$_kv_asked" = "x$$_kv_given"
end
