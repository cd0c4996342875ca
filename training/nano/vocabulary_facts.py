"""What one can ask about a product: names, meanings, questions, catalogue sentences, answers (data only).

`value` is the pattern of a value (see `world.World.value`).  `questions` ends with `world.HELD_BACK` wordings kept for tests.
`facts` name the product, `more` speak of it as "it", `keys` are the words of a data sheet ("Price: 39 euros").
"""

# fmt: off
from typing import TypedDict


class Fact(TypedDict):
    """One attribute of a product."""

    names: list[str]
    meanings: list[str]
    keys: list[str]
    value: list[str]
    questions: list[str]
    facts: list[str]
    more: list[str]
    answer: str


FACTS: dict[str, Fact] = {
    "price": {
        "names": ["Prices", "Price", "Costs"], "meanings": ["questions about the price", "what something costs"], "keys": ["Price", "Cost"],
        "value": ["{a} euros", "{a}.{b} euros", "{a} dollars", "{a} crowns"],
        "questions": ["How much [does the {p} cost|is the {p}|do I pay for the {p}|do you want for the {p}]?", "What is the price of the {p}?", "What do you charge for the {p}?",
                      "How many euros is the {p}?", "[Could|Can] you tell me the price of the {p}?", "Is the {p} expensive, what does it cost?", "[I want to buy|I am looking at] the {p}. [What does it cost?|How much is it?]",
                      "What would I pay for the {p}?", "What does one {p} cost?", "Please tell me how much I pay for the {p}.", "What price tag does the {p} carry?"],
        "facts": ["The {p} costs {v}.", "The price of the {p} is {v}.", "We sell the {p} for {v}.", "The {p} is [available|on sale] for {v}."],
        "more": ["It costs {v}.", "The price is {v}.", "It sells for {v}."], "answer": "The {p} costs {v}."},
    "warranty": {
        "names": ["Warranty", "Guarantee", "Warranties"], "meanings": ["questions about the warranty", "how long the guarantee lasts"], "keys": ["Warranty", "Guarantee"],
        "value": ["{m} months", "{s} years"],
        "questions": ["How long is the [warranty|guarantee] [of|on|for] the {p}?", "What [guarantee|warranty] does the {p} have?", "Does the {p} [have|come with] a [warranty|guarantee]?",
                      "For how [many months|long] is the {p} [under warranty|covered]?", "What is the warranty [period|time] of the {p}?", "[Is my {p} still under warranty|Do I still have a guarantee on the {p}], how long is it?",
                      "How long does the guarantee for the {p} last?", "When does the guarantee of the {p} end?", "How many months of guarantee do I get with the {p}?", "Up to when do you stand in for faults of the {p}?"],
        "facts": ["The {p} has a warranty of {v}.", "The warranty [of|for] the {p} lasts {v}.", "[The {p} comes with|We give the {p}] a guarantee of {v}."],
        "more": ["It has a warranty of {v}.", "The warranty lasts {v}.", "It is guaranteed for {v}."], "answer": "The {p} has a warranty of {v}."},
    "weight": {
        "names": ["Weight", "Heaviness", "Mass"], "meanings": ["questions about the weight", "how heavy something is"], "keys": ["Weight"],
        "value": ["{w} kilograms", "{a} grams", "{w} kg"],
        "questions": ["How heavy is the {p}?", "What does the {p} weigh?", "What is the weight of the {p}?", "How [many kilograms|much] does the {p} weigh?", "Is the {p} heavy?", "[Can|Could] you tell me the weight of the {p}?",
                      "[I have to carry|Can I carry] the {p}, [how heavy is it|what does it weigh]?", "I need to know how heavy the {p} is.", "How much weight does the {p} have?", "What weight do you list for the {p}?", "What would scales show for the {p}?"],
        "facts": ["The {p} weighs {v}.", "The weight of the {p} is {v}.", "With a weight of {v}, the {p} is [easy to carry|no burden]."], "more": ["It weighs {v}.", "The weight is {v}."], "answer": "The {p} weighs {v}."},
    "battery": {
        "names": ["Battery", "Power", "Runtime"], "meanings": ["questions about the battery", "how long the battery lasts"], "keys": ["Battery life", "Runtime"],
        "value": ["{h} hours", "{h} days", "{a} minutes"],
        "questions": ["How long does the battery of the {p} last?", "What is the battery life of the {p}?", "How many hours does the {p} run?", "When do I have to [re|]charge the {p} again?", "How long can I use the {p} without a cable?",
                      "Is the battery of the {p} good?", "How [long|far] [do I get|can I go] with one charge of the {p}?", "For how many hours does the battery of the {p} last?", "How long does the {p} run on battery?", "What battery life has the {p}?",
                      "After what time is the {p} empty?"],
        "facts": ["The battery of the {p} lasts {v}.", "The {p} runs for {v} on one charge.", "One charge of the {p} is good for {v}."], "more": ["Its battery lasts {v}.", "It runs for {v} on one charge."], "answer": "The battery of the {p} lasts {v}."},
    "colour": {
        "names": ["Colours", "Looks", "Colour"], "meanings": ["questions about the colours", "which colours there are"], "keys": ["Colours", "Available in"],
        "value": ["{k} and {k2}", "{k} or {k2}", "{k}, {k2} and {k3}", "{k}"],
        "questions": ["[Which|What] colours does the {p} come in?", "What colours do you have for the {p}?", "In which colours can I get the {p}?", "What does the {p} look like, which colours are there?", "Is there a choice of colours for the {p}?",
                      "Please tell me the colours of the {p}.", "Do you have the {p} in {k3}?", "Which colours of the {p} do you sell?", "What are the colours of the {p}?", "Do you sell the {p} in other colours?", "What shades can I pick for the {p}?"],
        "facts": ["The {p} comes in {v}.", "The colours of the {p} are {v}.", "You can [get|order] the {p} in {v}."], "more": ["It comes in {v}.", "The colours are {v}.", "You can get it in {v}."], "answer": "The {p} comes in {v}."},
    "material": {
        "names": ["Materials", "Material", "Fabric"], "meanings": ["questions about the material", "what something is made of"], "keys": ["Material"],
        "value": ["{y}", "{y} and {y2}", "{k} {y}"],
        "questions": ["What is the {p} made of?", "Which material is the {p} made of?", "What material do you use for the {p}?", "Can you tell me the material of the {p}?", "Of what material is the {p}?", "Is the {p} made of {y2}?",
                      "What is the body of the {p} made of?", "Tell me what the {p} is made of.", "Which material do you use for the {p}?", "What kind of material is the {p}?", "What stuff is the {p} built from?"],
        "facts": ["The {p} is made of {v}.", "The material of the {p} is {v}.", "We make the {p} from {v}."], "more": ["It is made of {v}.", "The material is {v}."], "answer": "The {p} is made of {v}."},
    "returns": {
        "names": ["Returns", "Return policy", "Send back"], "meanings": ["questions about the return period", "until when an item can be returned"], "keys": ["Returns", "Return period"],
        "value": ["{d} days", "{n} weeks", "{s} months"],
        "questions": ["How long can I return [the {p}|it, I mean the {p}]?", "What is the return period [of|for] the {p}?", "Until when may I send the {p} back?", "How many days do I have to return the {p}?", "Can I return the {p} if I do not like it?",
                      "What are the return rules for the {p}?", "[How much time|How long] do I have to send back the {p}?", "Within how many days can I return the {p}?", "May I send the {p} back, and until when?", "What is the time limit to return the {p}?",
                      "By when must the {p} be on its way back to you?"],
        "facts": ["You can return the {p} within {v}.", "The return period of the {p} is {v}.", "Returns of the {p} are accepted for {v}."], "more": ["You can return it within {v}.", "The return period is {v}."], "answer": "You can return the {p} within {v}."},
    "hours": {
        "names": ["Opening hours", "Shop hours", "Hotline"], "meanings": ["questions about the opening hours", "when the shop or hotline is open"], "keys": ["Hotline hours", "Hotline"],
        "value": ["from {t} am to {u} pm", "from {day} to {day2}", "on {day}"],
        "questions": ["When is the hotline for the {p} open?", "What are the hours of the {p} hotline?", "When can I call about the {p}?", "At what time can I reach the {p} hotline?", "From when to when is the {p} hotline open?", "When do you answer calls about the {p}?",
                      "At what hours can I call the {p} hotline?", "When is someone at the {p} hotline?", "What are the opening hours of the {p} hotline?", "When will anyone pick up the phone for the {p}?"],
        "facts": ["The {p} hotline is open {v}.", "You can call the {p} hotline {v}.", "Our team answers calls about the {p} {v}."], "more": ["Its hotline is open {v}.", "You can call the hotline {v}."], "answer": "The {p} hotline is open {v}."},
    "shiptime": {
        "names": ["Delivery time", "Shipping time", "Lead time"], "meanings": ["questions about the delivery time", "how long shipping takes"], "keys": ["Delivery time", "Ships in"],
        "value": ["{n} days", "{n} weeks", "{h} hours", "{n} working days"],
        "questions": ["How long does [delivery|shipping] of the {p} take?", "How fast do you [deliver|ship] the {p}?", "When would I get the {p} if I order [today|now]?", "What is the delivery time [of|for] the {p}?", "How many days until the {p} [arrives|is here]?",
                      "What shipping time do you give for the {p}?", "How soon can I have the {p}?", "How long must I wait when I order the {p}?"],
        "facts": ["The {p} is delivered within {v}.", "Delivery of the {p} takes {v}.", "The {p} ships in {v}."], "more": ["It is delivered within {v}.", "Delivery takes {v}."], "answer": "The {p} is delivered within {v}."},
    "size": {
        "names": ["Size", "Dimensions", "Measures"], "meanings": ["questions about the size", "how big something is"], "keys": ["Size", "Dimensions"],
        "value": ["{a} centimetres", "{d} by {m} cm", "{d} inches", "{s} metres"],
        "questions": ["How [big|large|tall|wide|long] is the {p}?", "What size is the {p}?", "What are the [dimensions|measures] of the {p}?", "Does the {p} fit into my car, how big is it?", "Can you give me the size of the {p}?",
                      "How much space does the {p} take?", "What measurements has the {p}?", "Tell me the size of the {p}.", "Will the {p} fit, how many centimetres is it?"],
        "facts": ["The {p} measures {v}.", "The size of the {p} is {v}.", "The {p} is {v} [long|wide|in size]."], "more": ["It measures {v}.", "The size is {v}."], "answer": "The {p} measures {v}."},
    "capacity": {
        "names": ["Capacity", "Volume", "Load"], "meanings": ["questions about the capacity", "how much fits in"], "keys": ["Capacity", "Volume"],
        "value": ["{w} litres", "{a} millilitres", "{d} litres"],
        "questions": ["How much [fits into|goes into|does] the {p}[| hold]?", "What is the capacity of the {p}?", "How many litres [does the {p} hold|fit into the {p}]?", "What volume does the {p} have?",
                      "Is the {p} big enough, how many litres is it?", "How much can I put into the {p}?", "What does the {p} hold?", "Tell me the volume of the {p}."],
        "facts": ["The {p} holds {v}.", "The capacity of the {p} is {v}.", "The {p} has a volume of {v}."], "more": ["It holds {v}.", "The capacity is {v}."], "answer": "The {p} holds {v}."},
    "origin": {
        "names": ["Origin", "Made in", "Country"], "meanings": ["questions about the origin", "where something is made"], "keys": ["Made in", "Origin"],
        "value": ["{o}"],
        "questions": ["Where is the {p} made?", "Where does the {p} come from?", "In which country is the {p} [made|built|produced]?", "What is the origin of the {p}?", "Is the {p} made in Europe, and where?",
                      "Which country produces the {p}?", "Where do you build the {p}?", "Tell me where the {p} is from."],
        "facts": ["The {p} is made in {v}.", "We build the {p} in {v}.", "The {p} comes from {v}."], "more": ["It is made in {v}.", "It comes from {v}."], "answer": "The {p} is made in {v}."},
    "power": {
        "names": ["Wattage", "Energy", "Electricity"], "meanings": ["questions about the energy use", "how much electricity it needs"], "keys": ["Power", "Energy use"],
        "value": ["{a} watts", "{a} volts", "{a} kilowatt hours"],
        "questions": ["How much [power|energy|electricity] does the {p} [use|need|draw]?", "How many watts does the {p} have?", "What is the energy use of the {p}?", "What power does the {p} need?", "Does the {p} use much electricity?",
                      "How strong is the {p}, in watts?", "What wattage has the {p}?", "How much current does the {p} eat?"],
        "facts": ["The {p} uses {v}.", "The power of the {p} is {v}.", "The {p} needs {v}."], "more": ["It uses {v}.", "It needs {v}."], "answer": "The {p} uses {v}."},
    "fee": {
        "names": ["Shipping fee", "Postage", "Delivery cost"], "meanings": ["questions about shipping costs", "what delivery costs"], "keys": ["Shipping cost", "Postage"],
        "value": ["{n} euros", "{n}.{b} euros", "{n} dollars"],
        "questions": ["What does [delivery|shipping] of the {p} cost?", "How much is the [postage|shipping] for the {p}?", "What do you charge for [shipping|delivery|sending] the {p}?", "Is shipping of the {p} free, or what does it cost?",
                      "What are the shipping costs of the {p}?", "How much postage do I pay for the {p}?", "What is the delivery fee for the {p}?", "What must I add for sending the {p}?"],
        "facts": ["Shipping the {p} costs {v}.", "The delivery fee of the {p} is {v}.", "We send the {p} for {v}."], "more": ["Shipping costs {v}.", "The delivery fee is {v}."], "answer": "Shipping the {p} costs {v}."},
    "partno": {
        "names": ["Part numbers", "Model numbers", "Codes"], "meanings": ["questions about the part number", "which model number an item has"], "keys": ["Part number", "Model number"],
        "value": ["{code}"],
        "questions": ["What is the [part|model|article] number of the {p}?", "Which [part|model] number does the {p} have?", "I need the [part|model|article] number of the {p}.", "Can you tell me the code of the {p}?",
                      "Under which number do you list the {p}?", "What model number has the {p}?", "Tell me the part number of the {p}.", "Which code do I quote for the {p}?"],
        "facts": ["The part number of the {p} is {v}.", "We list the {p} as {v}.", "The {p} has the model number {v}."], "more": ["Its part number is {v}.", "The model number is {v}."], "answer": "The part number of the {p} is {v}."},
    "water": {
        "names": ["Waterproofing", "Rain", "Water"], "meanings": ["questions about water", "whether something is waterproof"], "keys": ["Waterproof"],
        "value": ["up to {n} metres", "up to {m} minutes", "for {h} hours"],
        "questions": ["Is the {p} waterproof[, and how far|]?", "Can I [use|take] the {p} [in the rain|under water]?", "How waterproof is the {p}?", "What happens if the {p} gets wet?", "Does the {p} stand rain?",
                      "May the {p} get wet?", "Is water a problem for the {p}?", "How much water can the {p} take?"],
        "facts": ["The {p} is waterproof {v}.", "The {p} can be under water {v}."], "more": ["It is waterproof {v}.", "It can be under water {v}."], "answer": "The {p} is waterproof {v}."},
}
FILLER = ["It is one of our best sellers.", "Customers like it for its quality.", "It was designed in our own studio.", "A manual is in the box.", "It is easy to clean.",
          "Many people buy it as a gift.", "It won a design award.", "Please read the manual before use.", "It fits into every home.", "We test each one by hand.",
          "Ask our team for a demo.", "It is new in our shop.", "Spare parts are always in stock.", "It is packed without plastic.", "You will enjoy it for years."]
