"""How a task is put into words: vague requests, explicit prompts in many styles, wrappers of messages, examples and passages."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from rung_nano.training.world import World, join

VAGUE_DO = [
    "Reply to this message.",
    "Answer the customer.",
    "Help with this.",
    "Take care of this message.",
    "Write something nice.",
    "Deal with this.",
    "Please handle this.",
    "Respond.",
    "You are a support agent.",
    "Help the customer.",
    "Write a reply.",
    "Reply to the customer.",
    "Answer this.",
    "You are a helpful assistant.",
    "Reply in our style.",
    "Answer in the voice of our brand.",
    "Write the answer that we would write.",
    "You answer customers.",
]
VAGUE_WHAT = [
    "What is this about?",
    "Where should this go?",
    "Sort this message.",
    "Look at this message.",
    "What do we have here?",
    "Classify this.",
    "Categorize the message.",
    "What kind of message is this?",
    "Process this message.",
    "Read this.",
    "Note what matters.",
    "Route this.",
    "Handle this ticket.",
    "Sort the message as we do.",
    "Sum this up.",
    "Extract the data.",
    "Summarise this.",
]


@dataclass(frozen=True)
class Brief:
    """All that can be told about a task.  `labels` are (label, meaning); `lines` say what each line of the answer is."""

    goal: str
    labels: tuple[tuple[str, str], ...] = ()
    label_word: str = "label"
    form: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    brand: str | None = None


@dataclass(frozen=True)
class Style:
    """The habits of one prompt writer, kept through a whole document."""

    message: str = "{m}"
    cue: str = ""
    example: tuple[str, str] = ("Message: ", "Answer: ")
    numbered: bool = False
    passages: str = "bullets"
    passage_title: str = "Context:"
    passages_first: bool = True
    examples_title: str = "Examples:"
    extra: dict[str, str] = field(default_factory=dict)


WRAPPERS = [
    "{m}",
    "{m}",
    "{m}",
    "Message: {m}",
    "Message: {m}",
    "Customer message: {m}",
    "Message:\n{m}",
    "Customer: {m}",
    "Text: {m}",
    "Input: {m}",
    "Ticket: {m}",
    "Question: {m}",
    '"""\n{m}\n"""',
    "<message>\n{m}\n</message>",
    "Customer message:\n{m}",
    "message: {m}",
    "Here is the message:\n{m}",
    "### Message\n{m}",
    "Mail: {m}",
    '"{m}"',
    "body: {m}",
]
CUES = ["", "", "", "", "", "Answer:", "Output:", "Reply:", "### Answer", "Your answer:"]
EXAMPLE_FORMS = [
    ("Message: ", "Answer: "),
    ("Input: ", "Output: "),
    ("Customer: ", "Reply: "),
    ("Message: ", "Label: "),
    ("Q: ", "A: "),
    ("Text: ", "Output: "),
    ("Message:\n", "Answer:\n"),
    ("Customer message: ", "Expected answer: "),
    ("User: ", "Assistant: "),
    ("- ", "  -> "),
    ("Input:\n", "Output:\n"),
    ("message: ", "answer: "),
    ("Ticket: ", "Team: "),
]
PASSAGE_TITLES = [
    "Context:",
    "Context:",
    "Documents:",
    "Passages:",
    "Sources:",
    "Knowledge:",
    "Facts:",
    "What we know:",
    "Product data:",
    "Reference:",
    "### Context",
    "Use these passages:",
    "Answer from these passages:",
    "Search results:",
    "From our handbook:",
    "Information:",
    "Context:",
]


def style(world: World) -> Style:
    """Draw the habits of a prompt writer."""
    r = world.random
    return Style(
        message=r.choice(WRAPPERS),
        cue=r.choice(CUES),
        example=r.choice(EXAMPLE_FORMS),
        numbered=world.chance(0.25),
        passages=world.weighted(
            {
                "bullets": 18,
                "numbers": 38,
                "dots": 8,
                "fence": 6,
                "tags": 6,
                "blank": 12,
                "number tags": 6,
                "number fence": 6,
            }
        ),
        passage_title=r.choice(PASSAGE_TITLES),
        passages_first=world.chance(0.75),
        examples_title=r.choice(
            [
                "Examples:",
                "Examples:",
                "Here are examples:",
                "For example:",
                "## Examples",
                "Solved examples:",
                "Follow these examples:",
                "EXAMPLES",
            ]
        ),
    )


def passages_text(texts: Sequence[str], habit: Style) -> str:
    """Write passages under a title; those with 'number' get [1], [2] ...; each of them, and each bullet, is one line."""
    if habit.passages in ("bullets", "numbers", "number fence"):
        texts = [" ".join(t.split()) for t in texts]
    if habit.passages.startswith("number"):
        texts = [f"[{i}] {t}" for i, t in enumerate(texts, 1)]
    around = habit.passages.removeprefix("number ")
    if around == "tags":
        return "\n".join(f"<passage>\n{t}\n</passage>" for t in texts)
    if around == "fence":
        body = "```\n" + "\n".join(texts) + "\n```"
    elif around == "blank":
        body = "\n\n".join(texts)
    else:
        mark = {"bullets": "- ", "numbers": "", "dots": "{}. "}[around]
        body = "\n".join(mark.format(i + 1) + t for i, t in enumerate(texts))
    return f"{habit.passage_title}\n{body}"


def user_text(message: str, habit: Style, head: str | None = None, passages: Sequence[str] = ()) -> str:
    """Write a user turn: instruction (if it stands here), passages, message, cue."""
    body = habit.message.format(m=message)
    if habit.message == "{m}" and (head or passages):
        body = "Message: " + message
    blocks = [passages_text(passages, habit)] if passages else []
    blocks = [*blocks, body] if habit.passages_first else [body, *blocks]
    gap = "\n\n" if habit.extra.get("gap") else "\n"
    return gap.join([*([head] if head else []), *blocks, *([habit.cue] if habit.cue else [])])


def examples_text(pairs: Sequence[tuple[str, str]], habit: Style) -> str:
    """Write examples as text under a title."""
    ask, answer = habit.example
    gap = "\n\n" if habit.numbered or "\n" in ask else "\n"
    body = [
        (f"Example {i + 1}\n" if habit.numbered else "") + f"{ask}{m}\n{answer}{a}" for i, (m, a) in enumerate(pairs)
    ]
    return habit.examples_title + "\n" + gap.join(body)


def plural(word: str) -> str:
    """Return the plural of a label word."""
    return word[:-1] + "ies" if word.endswith("y") else word + ("es" if word.endswith("s") else "s")


# -- explicit prompts ----------------------------------------------------------------------------------------------------
def label_list(world: World, brief: Brief, meanings: bool, inline: bool) -> str:
    """List the allowed labels, with their meanings if asked."""
    names = [n for n, _ in brief.labels]
    if not meanings:
        if inline:
            return join(names, world.random.choice(["or", "or", "and"])) if world.chance(0.8) else ", ".join(names)
        return (
            "\n".join(world.random.choice(["- ", "* "]) + n for n in names) if world.chance(0.7) else ", ".join(names)
        )
    pattern = world.random.choice(
        [
            "{n}: {m}",
            "{n} = {m}",
            "Use {n} for {m}.",
            "{n} - {m}",
            "{n} ({m})",
            "{n} -> {m}",
            "{n}: {m}.",
            '"{n}": {m}',
            "{n} means {m}.",
        ]
    )
    rows = [pattern.format(n=n, m=m) for n, m in brief.labels]
    mark = "" if inline else world.random.choice(["- ", "- ", "* ", ""])
    return ("; " if inline and world.chance(0.5) else "\n").join(mark + row for row in rows)


def lines_text(world: World, lines: Sequence[str], as_list: bool) -> list[str]:
    """Say what each line of the answer is: a numbered plan or one sentence."""
    count = ["zero", "one", "two", "three", "four", "five", "six"][len(lines)] if world.chance(0.7) else str(len(lines))
    if as_list or world.chance(0.5):
        first = world.say(
            "[Write exactly|The answer has exactly|Use exactly|Answer in exactly|Always write] {x} lines[.|:]", x=count
        )
        form = world.random.choice(
            ["Line {i}: {t}.", "{i}. line: {t}.", "Line {i} is {t}.", "Line {i}: {t}", "({i}) {t}"]
        )
        return [first, *(form.format(i=i + 1, t=t) for i, t in enumerate(lines))]
    if len(lines) == 1:
        return [f"Write {lines[0]}."]
    then = world.random.choice(["Then write", "Next comes", "After that, write", "Then add"])
    start = world.random.choice(
        ["Reply in {x} lines.", "Write {x} lines.", "Exactly {x} lines.", "The reply has {x} lines."]
    ).format(x=count)
    return [
        start,
        f"{world.random.choice(['Start with', 'Begin with', 'Open with'])} {lines[0]}.",
        *(f"{then} {t}." for t in lines[1:-1]),
        f"{world.random.choice(['End with', 'Close with', 'Finish with'])} {lines[-1]}.",
    ]


def explicit(world: World, brief: Brief, meanings: bool = False) -> str:
    """Write an explicit prompt in one of several styles: prose, sections with headings, numbered or bulleted rules."""
    how = world.weighted({"prose": 40, "sections": 35, "numbers": 12, "bullets": 13})
    persona = (
        world.say(
            "You [are|work as] [a support agent|an assistant|the service desk|a helpful clerk|the {d} desk] [of|for|at] {b}.",
            b=brief.brand or "the shop",
            d="support",
        )
        if world.chance(0.2)
        else ""
    )
    goal = " ".join(x for x in (persona, brief.goal) if x)
    if how == "sections":
        return _sections(world, brief, goal, meanings)
    form = [*brief.form, *(lines_text(world, brief.lines, how != "prose") if brief.lines else [])]
    if brief.labels:
        lead = world.say(
            "[Choices|Allowed {ws}|The {w} is one of|Possible {ws}|Choose from|Labels|Use one of these {ws}]: {x}",
            w=brief.label_word,
            ws=plural(brief.label_word),
            x=label_list(world, brief, meanings, inline=True),
        )
        form.insert(0 if world.chance(0.7) else len(form), lead + ("" if meanings else "."))
    parts = [*form, *brief.rules]
    if how == "prose":
        return " ".join([goal, *parts]) if world.chance(0.8) else "\n".join([goal, *parts])
    mark = "{}. " if how == "numbers" else world.random.choice(["- ", "* ", "• "])
    return (
        goal
        + world.random.choice(["\n", "\nRules:\n", "\n\n", "\nFollow these rules:\n"])
        + "\n".join(mark.format(i + 1) + p for i, p in enumerate(parts))
    )


def _sections(world: World, brief: Brief, goal: str, meanings: bool) -> str:
    dress = world.random.choice(["{}:", "{}:", "## {}", "# {}", "**{}**", "{}:"])
    upper = world.chance(0.15)
    bulleted = world.chance(0.6)

    def block(names: Sequence[str], rows: Sequence[str], plain: bool = False) -> str:
        title = world.random.choice(names)
        mark = "- " if bulleted and not plain and len(rows) > 1 else ""
        return dress.format(title.upper() if upper else title) + "\n" + "\n".join(mark + row for row in rows)

    first = (
        block(["Instruction", "Task", "Instructions", "Your task", "Goal"], [goal], plain=True)
        if world.chance(0.75)
        else goal
    )
    rest = list[str]()
    if brief.labels:
        word = plural(brief.label_word).capitalize()
        rest.append(
            block(
                [word, "Labels", "Allowed labels", "Choices", word],
                [label_list(world, brief, meanings, inline=False)],
                plain=True,
            )
        )
    form = [*brief.form, *(lines_text(world, brief.lines, as_list=True) if brief.lines else [])]
    if form:
        rest.append(block(["Output format", "Format", "Output", "Answer format", "Form of the answer"], form))
    if brief.rules:
        rest.append(block(["Rules", "Rules", "Constraints", "Notes", "Edge cases", "Please note"], brief.rules))
    if world.chance(0.3):
        world.random.shuffle(rest)
    return ("\n\n" if world.chance(0.5) else "\n").join([first, *rest])
