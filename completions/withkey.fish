# Completion of withkey(1) in fish: withkey completions fish
#
# What a word could be is asked of withkey itself, which reads its own options for the answer (`withkey __complete`):
# there is no list here that could grow old. From COMMAND on, COMMAND's own completion is asked.

function __withkey_complete
    set -l words (commandline -opc)
    set -e words[1]
    # The word at the cursor as it is typed, and without its quotes.
    set -l typed (commandline -ct)
    set -l last (string unescape -- $typed; or string unescape -- $typed\'; or string unescape -- $typed\")
    set -l answer (command withkey __complete $words "$last" 2>/dev/null)
    set -l head (string split -m 1 ' ' -- $answer[1])
    set -l attached $head[2]
    set -l rest (string sub -s (math 1 + (string length -- "$attached")) -- $typed)
    switch "$head[1]"
        case command
            if test $head[2] -gt (count $words)
                string join \n -- $answer[2..-1]
                __withkey_programs $typed
            else
                __fish_complete_subcommand --commandline (string escape -- $words[$head[2]..-1]) "$typed"
            end
        case words
            for line in $answer[2..-1]
                echo $attached$line
            end
        case files
            for line in (complete -C "__withkey_no_program $rest")
                echo $attached$line
            end
        case directories
            for line in (complete -C "__withkey_no_program $rest" | string match -r '.*/$')
                echo $attached$line
            end
    end
end

# Programs: what the shell itself would run of that name is nothing for withkey.
function __withkey_programs -a typed
    set -l own (functions -an) (builtin -n)
    for line in (complete -C "$typed")
        set -l name (string split -m 1 \t -- $line)[1]
        if not contains -- $name $own; or command -q $name
            echo $line
        end
    end
end

complete -c withkey -f -k -a '(__withkey_complete)'
