"""HCL: what is read out of a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imprint.semantic.parse import ReferenceKind

if TYPE_CHECKING:
    from collections.abc import Callable


HCL = """\
# The network.

terraform {
  required_version = ">= 1.0"
}

provider "aws" {
  region = var.region
}

variable "region" {
  description = "Where it runs."
  default     = "eu-west-1"
}

locals {
  name = format("%s-net", var.region)
  size = length(module.vpc.subnets)
}

# The main one.
resource "aws_vpc" "main" {
  cidr = local.size
  dynamic "tag" {
    for_each = data.aws_zones.all.names
  }
}

data "aws_zones" "all" {}

module "vpc" {
  source = "../vpc"
  id     = aws_vpc.main.id
}

output "id" {
  value = try(aws_vpc.main.id, null)
}
"""


def test_hcl_entities_have_their_kinds_containers_and_lines(
    outline: Callable[[str, str], list[str]],
) -> None:
    assert outline("a.tf", HCL) == [
        "struct aws 7-9",
        "variable region 11-14",
        "constant name 17-17",
        "constant size 18-18",
        "struct aws_vpc.main 22-27",
        "struct aws_zones.all 29-29",
        "namespace vpc 31-34",
        "property id 36-38",
    ]


def test_hcl_references_are_found_with_their_place(mentions: Callable[..., list[str]]) -> None:
    assert mentions("a.tf", HCL, ReferenceKind.CALL) == [
        "format 17",
        "length 18",
        "try 37 id",
    ]
    assert mentions("a.tf", HCL, ReferenceKind.IMPORT) == [
        "../vpc 32 vpc",
    ]
    assert mentions("a.tf", HCL, ReferenceKind.USE) == [
        "region 8 aws",
        "region 17",
        "vpc 18",
        "size 23 aws_vpc.main",
        "all 25 aws_vpc.main",
        "main 33 vpc",
        "main 37 id",
    ]


def test_hcl_documentation_is_its_first_paragraph(docs: Callable[[str, str], dict[str, str]]) -> None:
    assert docs("a.tf", HCL) == {
        "": "The network.",
        "aws_vpc.main": "The main one.",
    }


def test_hcl_signatures_are_one_line_without_body(signatures: Callable[[str, str], dict[str, str]]) -> None:
    assert signatures("a.tf", HCL) == {
        "aws": 'provider "aws"',
        "region": 'variable "region"',
        "name": 'name = format("%s-net", var.region)',
        "size": "size = length(module.vpc.subnets)",
        "aws_vpc.main": 'resource "aws_vpc" "main"',
        "aws_zones.all": 'data "aws_zones" "all"',
        "vpc": 'module "vpc"',
        "id": 'output "id"',
    }
