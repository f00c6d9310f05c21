"""A tiny model, its reference and its requests, for tests of the scheduler."""

import random
from dataclasses import dataclass

import numpy as np
import torch

from tests.workers.engines.ovis.tiny import make_checkpoint
from workers.engines.ovis.batching.encoder import ImageEncoder
from workers.engines.ovis.batching.grammar import Grammars
from workers.engines.ovis.batching.scheduler import Scheduler
from workers.engines.ovis.batching.sequence import Picture, Sequence
from workers.engines.ovis.checkpoint.files import read_json
from workers.engines.ovis.checkpoint.loading import load_model, read_tokenizer
from workers.engines.ovis.decoding.decoder import Decoder
from workers.engines.ovis.decoding.sampling import unpack_bits
from workers.engines.ovis.model.image_processor import ImageProcessor
from workers.engines.ovis.model.prompt import ATOM, INDICATORS

ROWS = {
    "type": "object",
    "properties": {
        "kind": {"type": "string", "enum": ["bar", "line"]},
        "rows": {"type": "array", "items": {"type": "array", "items": {"type": ["string", "null"]}}},
    },
    "required": ["kind", "rows"],
    "additionalProperties": False,
}


@dataclass
class World:
    """A model for the engine, the same weights for the reference, and a tokenizer."""

    engine: object
    reference: object
    tokenizer: object
    images: ImageProcessor
    grammars: Grammars

    @property
    def stops(self):
        return frozenset({self.reference.config.llm_config.eos_token_id})

    def scheduler(self, *, num_blocks=400, block_tokens=16, max_batch=8, is_ahead=None, ahead=4, embed_images=None, drafting=None):
        decoder = Decoder(self.engine.llm, num_blocks, block_tokens)
        encoder = ImageEncoder(embed_images or self.engine.embed_images, torch.from_numpy(self.images.levels), ahead)
        return Scheduler(
            decoder, encoder, self.grammars, self.engine.embed_prompt, max_batch=max_batch, is_ahead=is_ahead, drafting=drafting
        )

    def picture(self, seed, width, height):
        from PIL import Image

        pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
        patches = self.images.patches([Image.fromarray(pixels)])
        return Picture(bytes([seed % 251, seed // 251]) * 8, patches.levels, patches.grid, patches.num_atoms)

    def request(self, seed, *, num_text, num_new, picture=None, has_grammar=False, **given):
        rng = random.Random(seed)
        text = [rng.randrange(400) for _ in range(num_text)]
        marks = [INDICATORS[0], *[ATOM] * picture.num_atoms, INDICATORS[1]] if picture else []
        return Sequence(
            tokens=text[:3] + marks + text[3:],
            pictures=(picture,) if picture else (),
            max_new_tokens=num_new,
            stops=self.stops,
            matcher=self.grammars.matcher(ROWS) if has_grammar else None,
            **given,
        )

    def embedded(self, sequence, tokens):
        atoms = None
        if sequence.pictures:
            floats = np.concatenate([self.images.normalise(picture.levels) for picture in sequence.pictures])
            atoms = self.reference.embed_images(torch.from_numpy(floats), [picture.grid for picture in sequence.pictures])
        return self.reference.embed_prompt(torch.tensor([tokens]), atoms)

    @torch.no_grad()
    def best_at_each_step(self, sequence, *, has_grammar):
        """What greedy decoding of this request alone says after each beginning of `sequence`'s own output: by induction, equal
        lists mean that it says the same. One forward of the whole, without any cache."""
        logits = self.reference(inputs_embeds=self.embedded(sequence, sequence.tokens)).logits[0, sequence.num_prompt - 1 : -1]
        if has_grammar:
            matcher, mask = self.grammars.matcher(ROWS), self.grammars.allocate(1, pinned=False)
            for step, token in enumerate(sequence.new_tokens):
                self.grammars.fill(mask, [(matcher, 0)])
                logits[step].masked_fill_(~unpack_bits(mask, logits.shape[1])[0], float("-inf"))
                assert matcher.consume_token(token)
        return logits.argmax(-1).tolist()

    def generated_alone(self, sequence):
        """The reference's own generation loop, with its own cache."""
        with torch.no_grad():
            embedded = self.embedded(sequence, sequence.tokens[: sequence.num_prompt])
            said = self.reference.generate(
                inputs_embeds=embedded, max_new_tokens=sequence.max_new_tokens, do_sample=False, pad_token_id=0
            )
        return said[0].tolist()


def make_world(folder, **llm):
    # untied: a tied tiny model says the same token for ever, and then much could go wrong unseen
    make_checkpoint(folder, llm={"tie_word_embeddings": False, **llm})
    engine, reference = (load_model(folder, dtype=torch.float32, device="cpu") for _ in range(2))
    tokenizer = read_tokenizer(folder)
    images = ImageProcessor(reference.config.vit_config, read_json(folder / "preprocessor_config.json"), min_pixels=1024)
    vocab_size = reference.config.llm_config.vocab_size
    grammars = Grammars(tokenizer, vocab_size, [reference.config.llm_config.eos_token_id], num_threads=2)
    return World(engine, reference, tokenizer, images, grammars)


def run(scheduler, arrivals, at_turn=lambda turn: None):
    """`arrivals`: (turn, sequence) in order."""
    waiting = list(arrivals)
    turn = 0
    while waiting or not scheduler.is_idle:
        while waiting and waiting[0][0] <= turn:
            scheduler.add(waiting.pop(0)[1])
        at_turn(turn)
        scheduler.turn()
        turn += 1
        assert turn < 20_000, "it goes on for ever"


def mixed(world, count, seed=0):
    """Prompts of 100 to 600 tokens, outputs of 20 to 300, half with a grammar, two in three with an image, some images shared."""
    rng = random.Random(seed)
    pictures = [world.picture(index, rng.choice([96, 160, 256]), rng.choice([128, 320])) for index in range(12)]
    requests = []
    for index in range(count):
        picture = rng.choice(pictures) if index % 3 else None
        num_text = rng.randrange(100, 600 - (picture.num_atoms + 2 if picture else 0))
        has_grammar = index % 2 == 0
        sequence = world.request(index, num_text=num_text, num_new=rng.randrange(20, 300), picture=picture, has_grammar=has_grammar)
        requests.append((has_grammar, sequence))
    return requests
